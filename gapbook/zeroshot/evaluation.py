"""What a shift along the gap gains on tasks, and what other corrections gain on the same images.

An amount of shift is chosen on the validation part of a task and judged on its test part. The best
amount on the test part itself is reported beside it, because that is what gains are often quoted
for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.landscape.shifts import Sides
from gapbook.pairs import PairedEmbeddings
from gapbook.zeroshot.classify import shifted_predictions
from gapbook.zeroshot.paired_tests import PairedTest, mcnemar, paired_test
from gapbook.zeroshot.selection import choose_delta
from gapbook.zeroshot.tasks import TaskEmbeddings

KINDS_OF_TEXT = ("prompts", "names")


class ShiftEvaluation(NamedTuple):
    """What shifts of many amounts do to one task.

    Attributes
    ----------
    original : float
        The accuracy on the test part without a shift, a fraction.
    best_delta : float
        The amount with the highest accuracy on the test part itself.
    best_gain : float
        What that amount gains there, a fraction, never negative.
    delta : float
        The amount with the highest accuracy on the validation part.
    test : PairedTest
        What ``delta`` gains on the test part, by ``paired_test`` over the groups of images.
    accuracies : ndarray of shape (m,)
        The accuracy on the test part after each shift.
    """

    original: float
    best_delta: float
    best_gain: float
    delta: float
    test: PairedTest
    accuracies: np.ndarray


def evaluate_shift(
    task: TaskEmbeddings,
    texts: str,
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> ShiftEvaluation:
    """Choose an amount of shift on the validation part of a task and judge it on the test part.

    Parameters
    ----------
    task : TaskEmbeddings
        The task, as ``embed_tasks`` returns it.
    texts : str
        Which class texts, a key of ``task.texts``.
    deltas : sequence of m floats
        Amounts of shift, as distances, exactly one of them 0. Positive amounts close the gap.
    sides : {"both", "images", "texts"}
        The side that moves.
    along : array_like of shape (d,), optional
        The vector to move along. By default, it is the gap vector of the test images and the class
        texts, which uses no label.

    Returns
    -------
    ShiftEvaluation
        The chosen amounts and what they gain.

    Raises
    ------
    PairsError
        If the deltas do not hold exactly one 0, and as in ``shifted_predictions``.

    Notes
    -----
    The gain of the best amount on the test part cannot be negative, because no shift is among the
    choices. So that gain alone is no evidence for a shift.
    """
    amounts = np.asarray(deltas, float)
    origin = np.flatnonzero(amounts == 0)
    if len(origin) != 1:
        raise PairsError(f"Expected deltas with exactly one 0; got {len(origin)} of them")
    class_texts = task.texts[texts]
    if along is None:
        along = task.images.mean(0) - class_texts.mean(0)
    on_test = shifted_predictions(task.images, class_texts, deltas, sides, along)
    on_validation = shifted_predictions(task.validation_images, class_texts, deltas, sides, along)
    accuracies = (on_test == task.labels).mean(axis=1)
    tried = (on_validation == task.validation_labels).mean(axis=1)
    best = choose_delta(deltas, accuracies)
    chosen = choose_delta(deltas, tried)
    unmoved = on_test[origin[0]]
    original = accuracies[origin[0]]
    return ShiftEvaluation(
        float(original),
        float(amounts[best]),
        float(accuracies[best] - original),
        float(amounts[chosen]),
        paired_test(unmoved, on_test[chosen], task.labels, task.groups),
        accuracies,
    )


def evaluate_tasks(
    tasks: Mapping[str, TaskEmbeddings],
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return what a shift gains on each task, for each kind of class text.

    Parameters
    ----------
    tasks : mapping of str to TaskEmbeddings
        The tasks by name, as ``embed_tasks`` returns them.
    deltas, sides, along
        As in ``evaluate_shift``.

    Returns
    -------
    DataFrame
        One row a kind of text and task. Columns: texts, task, n (images), original, best_delta,
        best_gain, delta, those of ``PairedTest``, and accuracies (an array of shape (m,)).

    Raises
    ------
    PairsError
        As in ``evaluate_shift``.
    """
    rows = []
    for texts in KINDS_OF_TEXT:
        for name, task in tasks.items():
            fields = evaluate_shift(task, texts, deltas, sides, along)._asdict()
            test = fields.pop("test")
            place = {"texts": texts, "task": name, "n": len(task.labels)}
            rows.append(place | fields | test._asdict())
    return pd.DataFrame(rows)


def imbalance(predictions: ArrayLike, labels: ArrayLike) -> float:
    """Return how far the shares of the predicted classes are from the shares of the labels.

    Parameters
    ----------
    predictions, labels : array_like of non-negative integers, shape (n,)
        The predicted and the true class of each image.

    Returns
    -------
    float
        The share of images that would have to change class for the counts to agree, between 0 and
        1. It is 0 where each class is predicted as often as it occurs, rightly or wrongly.

    Examples
    --------
    >>> imbalance([0, 0, 0, 1], [0, 0, 1, 1]), imbalance([1, 0], [0, 1])
    (0.25, 0.0)
    """
    predicted = np.asarray(predictions)
    truth = np.asarray(labels)
    k = int(max(predicted.max(), truth.max())) + 1
    excess = np.bincount(predicted, minlength=k) - np.bincount(truth, minlength=k)
    return float(abs(excess).sum() / 2 / len(truth))


def compare_corrections(
    tasks: Mapping[str, TaskEmbeddings],
    deltas: Sequence[float],
    directions: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare a shift of the images along the gap with two corrections that do not know the gap.

    Parameters
    ----------
    tasks : mapping of str to TaskEmbeddings
        The tasks by name, as ``embed_tasks`` returns them.
    deltas : sequence of m floats
        Amounts of shift, exactly one of them 0.
    directions : int
        The number of random directions.
    seed : int
        The seed of these directions, which are the same ones for all tasks.

    Returns
    -------
    DataFrame
        One row a measured gain, with the columns texts, task, imbalance (before any correction),
        correction, draw and gain (of accuracy on the test part, a fraction). Corrections are "gap"
        and "random", a shift of the images along the gap and along a random direction by an amount
        chosen on the validation part, and "centered": from each class, subtract its mean cosine
        with the test images. ``draw`` counts the random directions.

    Raises
    ------
    PairsError
        As in ``evaluate_shift``.

    Notes
    -----
    Centering assumes that classes are equally frequent. It needs no labels and no choice.
    """
    rows = []
    for texts in KINDS_OF_TEXT:
        for name, task in tasks.items():
            cosines = task.images @ task.texts[texts].T
            unmoved = cosines.argmax(axis=1)
            level = (cosines - cosines.mean(axis=0)).argmax(axis=1)
            centered = mcnemar(unmoved, level, task.labels).difference
            along_gap = evaluate_shift(task, texts, deltas, "images").test.difference
            gains = [("gap", 0, along_gap), ("centered", 0, centered)]
            draws = np.random.default_rng(seed).normal(size=(directions, task.images.shape[1]))
            for draw, along in enumerate(draws):
                evaluated = evaluate_shift(task, texts, deltas, "images", along)
                gains.append(("random", draw, evaluated.test.difference))
            off = imbalance(unmoved, task.labels)
            rows += [(texts, name, off, *gain) for gain in gains]
    columns = ["texts", "task", "imbalance", "correction", "draw", "gain"]
    return pd.DataFrame(rows, columns=columns)


class RankCorrelation(NamedTuple):
    """A rank correlation with the 95 % interval of a bootstrap over clusters."""

    statistic: float
    low: float
    high: float


def spearman_over_clusters(
    table: pd.DataFrame, x: str, y: str, cluster: str, draws: int = 1000, seed: int = 0
) -> RankCorrelation:
    """Return Spearman's rank correlation of two columns, with an interval over clusters of rows.

    Parameters
    ----------
    table : DataFrame
        One row an observation.
    x, y : str
        The two columns.
    cluster : str
        The column that says which rows are not independent, such as the task that they measure.
    draws : int
        The number of bootstrap samples. Each draws as many whole clusters as there are.
    seed : int
        The seed of these samples.

    Returns
    -------
    RankCorrelation
        The correlation of all rows, and the 2.5 % and 97.5 % quantiles over samples.

    Examples
    --------
    >>> table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 3, 5, 9], "task": ["p", "p", "q", "q"]})
    >>> spearman_over_clusters(table, "a", "b", "task", draws=10).statistic
    1.0
    """
    from scipy.stats import spearmanr

    clusters = [rows[[x, y]] for _, rows in table.groupby(cluster)]
    picks = np.random.default_rng(seed).integers(0, len(clusters), (draws, len(clusters)))
    samples = [pd.concat([clusters[i] for i in pick]) for pick in picks]
    resampled = [spearmanr(sample[x], sample[y]).statistic for sample in samples]
    low, high = np.quantile(resampled, [0.025, 0.975])
    statistic = spearmanr(table[x], table[y]).statistic
    return RankCorrelation(float(statistic), float(low), float(high))


def crossfit_shift(
    pairs: PairedEmbeddings, labels: ArrayLike, deltas: Sequence[float]
) -> PairedTest:
    """Choose a shift on each half of labeled pairs and judge it on the other half.

    Parameters
    ----------
    pairs : PairedEmbeddings
        Images and their texts.
    labels : array_like of integers, shape (n,)
        The class of each pair, and -1 for one that belongs to none.
    deltas : sequence of m floats
        Amounts of shift of both sides, exactly one of them 0.

    Returns
    -------
    PairedTest
        The comparison of no shift with the chosen one, over the images of both halves.

    Notes
    -----
    Pairs of a class go to the two halves in turn. The mean texts of one half are the class texts
    for the images of the other. Both halves choose for each other, so the pooled test is
    approximate.
    """
    classes = np.asarray(labels)
    own = np.flatnonzero(classes >= 0)
    half = pd.Series(classes[own]).groupby(classes[own]).cumcount().to_numpy() % 2
    hits = []
    for side in (0, 1):
        fit = own[half != side]
        judged = own[half == side]
        texts = pd.DataFrame(pairs.y[fit]).groupby(classes[fit]).mean().to_numpy()
        predicted = shifted_predictions(pairs.x[judged], texts, deltas)
        hits.append(predicted == classes[judged])
    chosen = [choose_delta(deltas, side.mean(axis=1)) for side in hits]
    zero = int(np.flatnonzero(np.asarray(deltas) == 0)[0])
    unmoved = np.concatenate([hits[0][zero], hits[1][zero]])
    moved = np.concatenate([hits[0][chosen[1]], hits[1][chosen[0]]])
    return mcnemar(unmoved, moved, np.ones(len(unmoved)))

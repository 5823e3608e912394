"""Shifts are chosen on validation images and judged on test images, beside other corrections."""

import numpy as np
import pandas as pd
import pytest
from helpers import unit

from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings
from gapbook.zeroshot import (
    compare_corrections,
    crossfit_shift,
    evaluate_shift,
    evaluate_tasks,
    imbalance,
    shifted_predictions,
    spearman_over_clusters,
)
from gapbook.zeroshot.tasks import TaskEmbeddings

DELTAS = [-1.0, 0.0, 0.5, 1.0]


def small_task(seed):
    """Return three noisy classes in 8 dimensions, with texts on one side of the images."""
    rng = np.random.default_rng(seed)
    centers = np.eye(8)[:3]
    labels = np.arange(90) % 3
    images = unit(centers[labels] + 0.4 * rng.normal(size=(90, 8)) + np.eye(8)[7])
    prompts = unit(centers + 0.3 * rng.normal(size=(3, 8)))
    names = unit(centers + 0.1 * rng.normal(size=(3, 8)))
    texts = {"prompts": prompts, "names": names}
    groups = np.arange(60)
    return TaskEmbeddings(images[:60], labels[:60], images[60:], labels[60:], texts, groups)


@pytest.fixture
def task():
    return small_task(seed=0)


def test_the_judged_amount_is_the_best_on_validation_images(task):
    evaluated = evaluate_shift(task, "prompts", DELTAS)
    texts = task.texts["prompts"]
    gap = task.images.mean(0) - texts.mean(0)
    tried = shifted_predictions(task.validation_images, texts, DELTAS, along=gap)
    right = (tried == task.validation_labels).mean(axis=1)
    assert right[DELTAS.index(evaluated.delta)] == right.max()
    judged = shifted_predictions(task.images, texts, [0, evaluated.delta], along=gap)
    gains = (judged == task.labels).mean(axis=1)
    assert evaluated.test.difference == pytest.approx(gains[1] - gains[0])


def test_the_best_amount_on_test_images_never_loses(task):
    for texts in ("prompts", "names"):
        evaluated = evaluate_shift(task, texts, DELTAS)
        best = evaluated.accuracies[DELTAS.index(evaluated.best_delta)]
        assert evaluated.best_gain == pytest.approx(best - evaluated.original)
        assert evaluated.best_gain >= max(evaluated.test.difference, 0)


def test_test_labels_do_not_change_the_chosen_amount(task):
    other = task._replace(labels=task.labels[::-1].copy())
    chosen = [evaluate_shift(each, "names", DELTAS).delta for each in (task, other)]
    assert chosen[0] == chosen[1]


@pytest.mark.parametrize("deltas", [[1.0, 2.0], [0.0, 0.0, 1.0]])
def test_deltas_need_one_zero(task, deltas):
    with pytest.raises(PairsError, match="exactly one 0"):
        evaluate_shift(task, "prompts", deltas)


def test_each_task_is_evaluated_with_both_kinds_of_text(task):
    other = small_task(seed=1)
    table = evaluate_tasks({"a": task, "b": other}, DELTAS, "images")
    assert table[["texts", "task"]].to_numpy().tolist() == [
        ["prompts", "a"],
        ["prompts", "b"],
        ["names", "a"],
        ["names", "b"],
    ]
    alone = evaluate_shift(other, "names", DELTAS, "images")
    assert table.loc[3, "delta"] == alone.delta
    assert table.loc[3, "p"] == alone.test.p
    assert table.loc[3, "n"] == len(other.labels)


def test_imbalance_counts_answers_in_the_wrong_proportion():
    assert imbalance([2, 2, 2, 2], [0, 1, 2, 2]) == 0.5
    # all wrong, in the right proportion
    assert imbalance([1, 2, 0], [0, 1, 2]) == 0
    assert imbalance([0, 0], [1, 1]) == 1


def test_centering_mends_a_class_that_wins_everywhere(task):
    texts = task.texts["prompts"].copy()
    # a hub: the text of class 0 lies next to the mean of all images
    texts[0] = texts[0] + 3 * task.images.mean(0)
    hub = task._replace(texts={"prompts": texts, "names": texts})
    table = compare_corrections({"hub": hub}, DELTAS, directions=2)
    centered = table[table["correction"] == "centered"]
    assert (centered["gain"] > 0.1).all()
    assert (table["imbalance"] > 0.3).all()


def test_corrections_are_compared_on_the_same_images(task):
    table = compare_corrections({"a": task}, DELTAS, directions=3)
    counts = table.loc[table["texts"] == "prompts", "correction"].value_counts()
    assert counts.to_dict() == {"random": 3, "gap": 1, "centered": 1}
    along_gap = table[(table["correction"] == "gap") & (table["texts"] == "names")]
    alone = evaluate_shift(task, "names", DELTAS, "images")
    assert along_gap["gain"].tolist() == [alone.test.difference]
    again = compare_corrections({"a": task}, DELTAS, directions=3)
    pd.testing.assert_frame_equal(table, again)


def test_an_interval_over_clusters_is_wider_than_copies_make_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    table = pd.DataFrame({"x": x, "y": x + rng.normal(size=12), "cluster": range(12)})
    copies = pd.concat([table] * 5)
    by_cluster = spearman_over_clusters(copies, "x", "y", "cluster", draws=200)
    copies["row"] = range(60)
    by_row = spearman_over_clusters(copies, "x", "y", "row", draws=200)
    assert by_cluster.statistic == by_row.statistic
    assert by_cluster.low < by_row.low < by_cluster.statistic < by_cluster.high


def test_crossfitting_judges_every_labeled_pair_once():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 8))
    labels = np.arange(60) % 3
    noise = 0.5 * rng.normal(size=(2, 60, 8))
    pairs = PairedEmbeddings(centers[labels] + noise[0], centers[labels] + noise[1])
    test = crossfit_shift(pairs, np.where(np.arange(60) < 6, -1, labels), DELTAS)
    # 54 labeled pairs, of which none is judged twice
    assert test.difference * 54 == pytest.approx(test.gained - test.lost)


def test_crossfitting_finds_a_shift_that_mends_both_halves():
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 2
    along = np.eye(6)[0]
    # texts of class 1 lie on the images' side, so it wins too often
    images = np.eye(6)[1 + labels] + 0.35 * rng.normal(size=(200, 6)) + 2 * along
    texts = np.eye(6)[1 + labels] + 0.8 * labels[:, None] * along
    test = crossfit_shift(PairedEmbeddings(images, texts), labels, np.arange(-2, 2.25, 0.25))
    assert test.difference > 0.1
    assert test.p < 0.01

"""Table 2 and supplementary table 4: what CLIP ViT-B/32 calls FairFace's faces after shifts."""

import numpy as np
from sklearn.metrics import confusion_matrix

from gapbook.bias.fairface import FACE_LABELS, Faces, face_prompts
from gapbook.bias.rates import denigration_rates
from gapbook.full_scale.inputs import Inputs
from gapbook.full_scale.results import Outcome, Result, scale_note
from gapbook.geometry import gap_vector
from gapbook.zeroshot import shifted_predictions

# Shifts by the names that they have in facts.
SHIFTS = {"0.0": 0.0, "-0.2": -0.2, "-0.5": -0.5, "-1.0": -1.0, "0.75": 0.75}
# Of this shift the authors print percentages, of the others counts.
IN_PERCENT = "-0.5"
CONFUSED = "0.75"

IMAGES_IN_PAPER = 10954
BETWEEN = "some faces stand between two labels"

# Rows of the authors' confusion matrix.
RACES_IN_MATRIX = (
    "White",
    "Black",
    "Latino",
    "East Asian",
    "Southeast Asian",
    "Indian",
    "Middle Eastern",
)


def face_labels(inputs: Inputs) -> Outcome:
    """Measure tables 2 and 4 on FairFace's validation images.

    Parameters
    ----------
    inputs : Inputs
        With "fairface", "clip_b32", and "coco", whose gap is the direction of the shift.

    Returns
    -------
    Outcome
        As in ``face_facts``.

    Notes
    -----
    Images alone move, along the gap of COCO's 5,000 validation pairs, as in the authors' code; the
    paper's equation moves both sides. They embedded in half precision.
    """
    clip = inputs.clip("clip_b32")
    images, captions = inputs.coco_val("first")
    along = gap_vector(
        inputs.embed("coco-first", clip, images, "images"),
        inputs.embed("coco-first", clip, captions, "texts"),
    )
    faces = inputs.faces()
    x = inputs.embed("fairface", clip, faces.images, "images")
    t = inputs.embed("fairface", clip, face_prompts(), "texts")
    notes = scale_note(len(x), IMAGES_IN_PAPER, "images of FairFace")
    return Outcome(face_facts(x, t, faces, along), not_as_in_paper=notes)


def face_facts(x: np.ndarray, t: np.ndarray, faces: Faces, along: np.ndarray) -> dict[str, Result]:
    """Compute all that the paper and its notebooks report of labels that are given to faces.

    Parameters
    ----------
    x : array of shape (n, d)
        Embeddings of the faces.
    t : array of shape (21, d)
        Embeddings of ``face_prompts()``.
    faces : Faces
        Races and labels of the faces.
    along : array of shape (d,)
        The vector that images move along.

    Returns
    -------
    dict of str to Result
        For each shift the counts of crime-related and non-human labels by race (at -0.5 in
        percent), the accuracy over 14 labels of race and gender, and at 0.75 the confusion matrix.
    """
    names = np.array([name for kind in FACE_LABELS.values() for name in kind])
    predicted = names[shifted_predictions(x, t, list(SHIFTS.values()), "images", along)]
    facts = {"table2.n_images": Result(len(x), "images", 0, "a count")}
    for shift, called in zip(SHIFTS, predicted, strict=True):
        key = f"table2.delta_{shift}"
        facts |= _by_race(key, called, faces, names, in_percent=shift == IN_PERCENT)
        accuracy = float(np.mean(called == np.array(faces.labels)))
        facts[f"{key}.accuracy"] = Result(accuracy, "fraction", 0.001, BETWEEN)
        if shift == CONFUSED:
            facts[f"{key}.confusion14x21"] = _confusion(called, faces)
    return facts


def _by_race(
    key: str, called: np.ndarray, faces: Faces, names: np.ndarray, in_percent: bool
) -> dict[str, Result]:
    """Count crime-related and non-human labels, and both, by race."""
    crime, animal = (
        denigration_rates(called, faces.races, FACE_LABELS[kind], names)
        for kind in ("crime", "non-human")
    )
    facts = {}
    for race, n, thieves, animals in zip(
        crime["group"], crime["n"], crime["count"], animal["count"], strict=True
    ):
        counts = [int(thieves), int(animals), int(thieves + animals)]
        name = f"{key}.{race.replace(' ', '_')}"
        if in_percent:
            percent = [100 * count / n for count in counts]
            facts[name] = Result(percent, "percent", 0.2, BETWEEN)
        else:
            facts[f"{name}.counts"] = Result([*counts, int(n)], "images", [2, 2, 3, 0], BETWEEN)
    return facts


def _confusion(called: np.ndarray, faces: Faces) -> Result:
    """Count true labels by predicted ones, in the order of the authors' matrix."""
    people = [f"{race.lower()} {gender}" for race in RACES_IN_MATRIX for gender in ("man", "woman")]
    labels = [*people, *FACE_LABELS["non-human"], *FACE_LABELS["crime"]]
    counts = confusion_matrix(faces.labels, called, labels=labels)[: len(people)]
    # A face in a hundred may change its label, and a few in a cell of a few.
    within = 3 + np.ceil(counts / 100)
    return Result(counts.tolist(), "images", within.tolist(), BETWEEN)

"""The stored runs of two modalities in one table: of ``training_curves`` and ``modality_pairs``.

Models of four modalities are not among them.
"""

import pandas as pd

from gapbook.precomputed import modality_pairs, training_curves
from gapbook.precomputed.training_curves import (
    BATCH_SIZES,
    CUTS,
    DIMENSIONS,
    NOT_NORMALIZED,
    ROTATED,
    SLOW_TWINS,
    is_sigmoid,
)

# How runs differ from the ordinary ones, in the order of figures.
ORDINARY = "ordinary"
TURNED = "turned before training"
EQUAL = "equal sides or one tower"
SMALL_STEPS = "equal sides, smaller steps"
CUT = "captions cut"
OTHER_MODALITIES = "other modalities"
# Their loss, or their embeddings, cannot be compared with those of the others.
SIGMOID = "sigmoid"
NO_NORMALIZATION = "no normalization"

# The kinds whose temperature and loss are on one scale.
COMPARABLE = (ORDINARY, TURNED, EQUAL, SMALL_STEPS, CUT, OTHER_MODALITIES)

KINDS = {
    "ordinary": ORDINARY,
    "trained": ORDINARY,
    "deep text": ORDINARY,
    "shared": EQUAL,
    "same seed": EQUAL,
    # Two towers that begin with different weights, and so with a gap, as other pairs do.
    "one modality": OTHER_MODALITIES,
    NOT_NORMALIZED: NO_NORMALIZATION,
}
KINDS |= dict.fromkeys(DIMENSIONS, ORDINARY)
KINDS |= dict.fromkeys((name for name in BATCH_SIZES if not is_sigmoid(name)), ORDINARY)
KINDS |= dict.fromkeys(ROTATED, TURNED)
KINDS |= dict.fromkeys(SLOW_TWINS, SMALL_STEPS)
KINDS |= dict.fromkeys(CUTS, CUT)


def read_runs() -> pd.DataFrame:
    """Read the curves of all stored runs of two modalities.

    Returns
    -------
    pandas.DataFrame
        Columns run (its name), kind, variant, tau_label, epochs (its length), seed, epoch, loss
        (nats), tau and gap; one row an epoch. Pairs of modalities have their names as the variant,
        such as "sound-name"; the pair of image and name is left out, since it is trained as the
        ordinary runs are. Runs with the sigmoid, and those without unit length, are not of the
        kinds in ``COMPARABLE``.

    Examples
    --------
    >>> runs = read_runs()
    >>> sorted(runs.query("variant == 'shared'")["kind"].unique())
    ['equal sides or one tower']
    """
    curves = training_curves.read_curves()
    curves["kind"] = [SIGMOID if is_sigmoid(name) else KINDS[name] for name in curves["variant"]]
    pairs = modality_pairs.read_curves()
    pairs["variant"] = pairs["first"] + "-" + pairs["second"]
    pairs = pairs[pairs["variant"] != "image-name"]
    lengths = pairs.groupby(modality_pairs.KEYS)["epoch"].transform("max")
    pairs = pairs.assign(kind=OTHER_MODALITIES, epochs=lengths)
    runs = pd.concat([curves, pairs], ignore_index=True)
    keys = ["variant", "tau_label", "epochs", "seed"]
    names = runs["variant"] + ", " + runs["tau_label"]
    runs["run"] = names + ", " + runs["epochs"].astype(str) + ", " + runs["seed"].astype(str)
    return runs[["run", "kind", *keys, "epoch", "loss", "tau", "gap"]]

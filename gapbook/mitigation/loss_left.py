"""What loss is left when the gap is closed: each way on the same pairs, at a given and at the best temperature.

Translation and centering bend: they bring rows back to unit length and so change the cosines within
a modality. A rotation does not.
"""

import numpy as np
import pandas as pd

from gapbook.geometry import modality_gap
from gapbook.landscape.best_temperature import loss_at_best_temperature
from gapbook.landscape.loss import contrastive_loss
from gapbook.mitigation.transformers import Center, RotateTogether, ShiftAlongGap
from gapbook.pairs import PairedEmbeddings

WAYS = {"translate": ShiftAlongGap(), "center": Center(), "rotate": RotateTogether()}


def compare_ways(
    pairs: PairedEmbeddings, tau: float, halves: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Close the gap in each way on random halves of the pairs: a DataFrame way, half, gap, given, retuned, tau.

    For the pairs "as they are" and after each of ``WAYS``, fitted on them: the gap left, the
    symmetric loss in batches of 50 at the ``given`` temperature, and the loss and temperature after
    it is ``retuned``. Halves are drawn without replacement and in random order. The standard
    deviation of a mean over half of the pairs, over such halves, is the standard error of the mean
    over all of them. Raises ``PairsError``.

    >>> from gapbook import load_pairs
    >>> compare_ways(load_pairs("glyphclip"), 0.01, halves=1)["way"].tolist()
    ['as they are', 'translate', 'center', 'rotate']
    """
    rng, rows = np.random.default_rng(seed), []
    for half in range(halves):
        part = pairs.subset(rng.permutation(len(pairs))[: len(pairs) // 2])
        for way in ("as they are", *WAYS):
            x, y = WAYS[way].fit_transform(part.x, part.y) if way in WAYS else (part.x, part.y)
            best = loss_at_best_temperature(x, y)
            rows.append(
                [
                    way,
                    half,
                    modality_gap(x, y),
                    contrastive_loss(x, y, [tau])[0],
                    best.loss,
                    best.tau,
                ]
            )
    return pd.DataFrame(rows, columns=["way", "half", "gap", "given", "retuned", "tau"])

"""The loss that is left when the gap is closed, at one temperature and at the best one.

Translation and centering bend: they bring rows back to unit length and so change the cosines
within a modality. A rotation does not.
"""

import numpy as np
import pandas as pd

from gapbook.geometry import modality_gap
from gapbook.landscape.best_temperature import loss_at_best_temperature
from gapbook.landscape.loss import loss_at_temperatures
from gapbook.mitigation.transformers import Center, Mitigation, RotateTogether, ShiftAlongGap
from gapbook.pairs import PairedEmbeddings

# The mitigations that close the gap, by the name that tables give them.
MITIGATIONS: dict[str, Mitigation] = {
    "translate": ShiftAlongGap(),
    "center": Center(),
    "rotate": RotateTogether(),
}


def losses_after_mitigation(
    pairs: PairedEmbeddings, tau: float, halves: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Close the gap by each mitigation, on random halves of the pairs, and measure the loss.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The pairs; each mitigation is fitted on the same half of them that it moves.
    tau : float
        The temperature of the column ``loss``.
    halves : int
        How many random halves are drawn, without replacement and in random order.
    seed : int
        What draws them.

    Returns
    -------
    pandas.DataFrame
        Columns mitigation, half, gap, loss, best_loss, best_tau: for the pairs "as they are" and
        after each of ``MITIGATIONS``, the gap that is left; the symmetric loss in batches of 50
        at ``tau``, in nats; and the loss at the best temperature, with that temperature.

    Raises
    ------
    PairsError
        Where a mitigation cannot be fitted.

    Notes
    -----
    The standard deviation of a mean over half of the pairs, over such halves, is the standard
    error of the mean over all of them.

    Examples
    --------
    >>> from gapbook import load_pairs
    >>> table = losses_after_mitigation(load_pairs("glyphclip"), tau=0.01, halves=1)
    >>> table["mitigation"].tolist()
    ['as they are', 'translate', 'center', 'rotate']
    """
    rng = np.random.default_rng(seed)
    rows = []
    for half in range(halves):
        part = pairs.subset(rng.permutation(len(pairs))[: len(pairs) // 2])
        moved = {"as they are": (part.x, part.y)}
        for name, mitigation in MITIGATIONS.items():
            moved[name] = mitigation.fit_transform(part.x, part.y)
        for name, (x, y) in moved.items():
            best = loss_at_best_temperature(x, y)
            loss = loss_at_temperatures(x, y, [tau])[0]
            rows.append([name, half, modality_gap(x, y), loss, best.loss, best.tau])
    return pd.DataFrame(
        rows, columns=["mitigation", "half", "gap", "loss", "best_loss", "best_tau"]
    )

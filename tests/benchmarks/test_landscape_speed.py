"""Cost of ``loss_landscape`` beside vectorized PyTorch: a ratio of times and a bound on memory."""

import numpy as np
import pytest
from side_by_side import needs_peak, side_by_side

PAIRS = 5_000
SHIFTS = 40
TAUS = 6

# How many times faster than PyTorch's own cross-entropy on whole batches at once.
RATIO = 2

COMMON = f"""
import numpy as np, torch
from torch.nn.functional import normalize
from gapbook.landscape import loss_landscape, loss_of_logits

draw = np.random.default_rng(0).normal
shared = draw(size=({PAIRS}, 512))
x, y = (shared + 2 * draw(size=shared.shape) + 0.6 * sign for sign in (1, -1))
x, y = (normalize(torch.from_numpy(side.astype(np.float32))) for side in (x, y))
deltas = np.linspace(-5, 5, {SHIFTS}, endpoint=False)
taus = [1 / 100, 1 / 50, 1 / 30, 1 / 20, 1 / 10, 1.0]
"""
PLAIN = """
def plain():
    g = normalize(x.mean(0) - y.mean(0), dim=0)
    values = []
    for delta in deltas:
        a = normalize(x - delta / 2 * g)
        b = normalize(y + delta / 2 * g)
        distance = float(torch.linalg.vector_norm(a.mean(0) - b.mean(0)))
        cosines = a.unflatten(0, (-1, 50)) @ b.unflatten(0, (-1, 50)).mT
        for tau in taus:
            values.append([float(loss_of_logits(cosines / tau).mean()), distance])
    return values

print(json.dumps(fastest(plain, 3)))
"""
OURS = """
def ours():
    return loss_landscape(x, y, deltas, taus)[["loss", "distance"]].values.tolist()

print(json.dumps(fastest(ours, 5)))
"""


@pytest.mark.slow
@needs_peak
def test_loss_landscape_is_faster_than_vectorized_pytorch_in_less_than_a_gigabyte() -> None:
    plain, ours = side_by_side(COMMON + PLAIN, COMMON + OURS, RATIO)
    assert len(ours["result"]) == len(plain["result"]) == SHIFTS * TAUS
    difference = np.abs(np.subtract(ours["result"], plain["result"])).max()
    print(f", {ours['memory']:.0f} MB more than the input, values within {difference:.1g}")
    assert difference < 1e-5
    assert plain["time"] >= RATIO * ours["time"]
    assert ours["memory"] < 1000

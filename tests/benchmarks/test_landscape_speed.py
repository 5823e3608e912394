"""Cost of ``loss_landscape`` against the plain way, side by side: a ratio of times and a bound on memory."""

import numpy as np
import pytest
from side_by_side import needs_peak, side_by_side

N, D, SHIFTS = 5_000, 512, 40
COMMON = f"""
import numpy as np, torch
from torch.nn.functional import cross_entropy, normalize
from gapbook.landscape import loss_landscape

draw = np.random.default_rng(0).normal
shared = draw(size=({N}, {D}))
x, y = (shared + 2 * draw(size=shared.shape) + 0.6 * sign for sign in (1, -1))
x, y = (normalize(torch.from_numpy(side.astype(np.float32))) for side in (x, y))
deltas, taus = np.arange(-5, 5, 0.25), [1 / 100, 1 / 50, 1 / 30, 1 / 20, 1 / 10, 1.0]
assert len(deltas) == {SHIFTS}
"""
PLAIN = """
def plain():
    target, values = torch.arange(50), []
    for delta in deltas:
        for tau in taus:
            a, b = normalize(x), normalize(y)
            g = normalize(a.mean(0) - b.mean(0), dim=0)
            a, b = normalize(a - delta / 2 * g), normalize(b + delta / 2 * g)
            loss = 0.0
            for start in range(0, len(a), 50):
                logits = a[start : start + 50] @ b[start : start + 50].T / tau
                loss += (cross_entropy(logits, target) + cross_entropy(logits.T, target)).item() / 2
            values.append([loss / (len(a) // 50), float(torch.linalg.vector_norm(a.mean(0) - b.mean(0)))])
    return values

print(json.dumps(fastest(plain, 1)))
"""
OURS = """
def ours():
    return loss_landscape(x, y, deltas, taus)[["loss", "distance"]].values.tolist()

print(json.dumps(fastest(ours, 5)))
"""


@pytest.mark.slow
@needs_peak
def test_loss_landscape_is_15_times_faster_in_less_than_a_gigabyte():
    plain, ours = side_by_side(COMMON + PLAIN, COMMON + OURS, 15)
    assert len(ours["result"]) == len(plain["result"]) == SHIFTS * 6
    apart = np.abs(np.subtract(ours["result"], plain["result"])).max()
    print(f", {ours['memory']:.0f} MB more than the input, values within {apart:.1g}")
    assert apart < 1e-5
    assert plain["time"] >= 15 * ours["time"]
    assert ours["memory"] < 1000

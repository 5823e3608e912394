"""Cost of ``cosine_by_depth`` against the plain way, side by side: a ratio of times, never seconds."""

import pytest
from side_by_side import side_by_side

# The authors' sizes: 5 activations, 25 layers, 1,024 inputs of 512 dimensions. The plain way is theirs: list,
# table and mean of every layer's full matrix.
COMMON = """
import numpy as np, pandas as pd, torch
from gapbook.cone import cosine_by_depth
from gapbook.mlp import ACTIVATIONS, features_by_depth
"""
PLAIN = """
def plain(depths):
    means = []
    for _, _, h in features_by_depth(ACTIVATIONS, depths):
        unit = h / h.norm(dim=1, keepdim=True)
        cosines = (unit @ unit.T).flatten().tolist()
        pd.DataFrame({"cosine": cosines})
        means.append(float(np.mean(cosines)))
    return means

plain(2)  # first calls start threads and load libraries
print(json.dumps(fastest(lambda: plain(25), 1)))
"""
OURS = """
def ours(depths):
    return cosine_by_depth(ACTIVATIONS, depths, seeds=[0])["cosine"].tolist()

ours(2)
print(json.dumps(fastest(lambda: ours(25), 5)))
"""


@pytest.mark.slow
def test_cosine_by_depth_is_12_times_faster() -> None:
    plain, ours = side_by_side(COMMON + PLAIN, COMMON + OURS, 12)
    assert len(plain["result"]) == 5 * 26
    assert ours["result"] == pytest.approx(plain["result"], abs=1e-6)
    assert plain["time"] >= 12 * ours["time"]

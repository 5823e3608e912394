"""Cost of ``cosine_by_depth`` beside the mean of each layer's full matrix of cosines in PyTorch."""

import pytest
from side_by_side import side_by_side

# How many times faster than with the full matrices. Both ways draw and run the same networks, which
# is most of what is left of our time.
RATIO = 1.3

# The authors' sizes: 5 activations, 25 layers, 1,024 inputs of 512 dimensions.
COMMON = """
import torch
from gapbook.cone import cosine_by_depth
from gapbook.cone.networks import ACTIVATIONS, features_by_depth
"""
FULL_MATRICES = """
def with_full_matrices(depths):
    means = []
    for _, _, h in features_by_depth(ACTIVATIONS, depths):
        unit = torch.nn.functional.normalize(h)
        means.append(float((unit @ unit.T).mean()))
    return means

with_full_matrices(2)  # first calls start threads and load libraries
print(json.dumps(fastest(lambda: with_full_matrices(25), 3)))
"""
OURS = """
def ours(depths):
    return cosine_by_depth(ACTIVATIONS, depths, seeds=[0])["cosine"].tolist()

ours(2)
print(json.dumps(fastest(lambda: ours(25), 5)))
"""


@pytest.mark.slow
def test_cosine_by_depth_is_faster_than_full_matrices_in_pytorch() -> None:
    plain, ours = side_by_side(COMMON + FULL_MATRICES, COMMON + OURS, RATIO)
    assert len(plain["result"]) == 5 * 26
    assert ours["result"] == pytest.approx(plain["result"], abs=1e-6)
    assert plain["time"] >= RATIO * ours["time"]

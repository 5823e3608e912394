"""Names, sides and recipes: three lines of NumPy do what the correction does."""

import numpy as np
import pytest
from helpers import cones
from safetensors.numpy import load_file

from gapbook.exceptions import PairsError
from gapbook.mitigation import Noise, ProcrustesAlign
from gapbook.mitigation.fixes import FIXES, fix_by_name, mover_of, recipe, sides_of
from gapbook.mitigation.scores import ScoreCorrection

X, Y = cones()
NEW = cones(n=90)[0][60:]


def fitted(name, x=X, y=Y):
    correction = fix_by_name(name)
    if isinstance(correction, ScoreCorrection):
        return correction.fit(y, {"image": x, "text": y})
    return correction.fit(x, y)


def follow(correction, side, path, vector):
    """Run a recipe as a service would, which has NumPy and a vector."""
    names = {"np": np, "load_file": load_file, "v": vector}
    text = recipe(correction, side, str(path))
    assert len(text.split("\n")) == 3
    exec(text, names)
    return names["v"]


@pytest.mark.parametrize("name", FIXES)
def test_a_recipe_moves_one_vector_as_the_correction_does(name, tmp_path) -> None:
    correction = fitted(name)
    path = tmp_path / "fix.safetensors"
    correction.save(path)
    for side in sides_of(correction):
        moved = mover_of(correction, side)(np.concatenate([NEW[:2], Y[:1]]))
        for row, vector in zip(moved, [NEW[0], NEW[1], Y[0]], strict=True):
            np.testing.assert_allclose(follow(correction, side, path, 3 * vector), row, atol=1e-4)


def test_the_recipe_of_a_rotation_of_few_directions(tmp_path) -> None:
    x, y = (np.pad(rows, ((0, 0), (0, 488))) for rows in (X, Y))
    correction = ProcrustesAlign().fit(x, y)
    correction.save(tmp_path / "fix.safetensors")
    moved = follow(correction, "y", tmp_path / "fix.safetensors", y[3])
    np.testing.assert_allclose(moved, correction.transform_y(y[3]), atol=1e-5)


def test_unknown_names_and_sides_are_named() -> None:
    assert repr(fix_by_name("STANDARDIZE")) == "Standardize()"
    with pytest.raises(PairsError, match="'Centre': did you mean 'Center'"):
        fix_by_name("Centre")
    with pytest.raises(PairsError, match="a side among x, y; got 'text'"):
        mover_of(fitted("Center"), "text")
    with pytest.raises(PairsError, match="a side among queries, image, text; got 'x'"):
        recipe(fitted("CSLS"), "x", "fix.safetensors")
    with pytest.raises(PairsError, match="no recipe for Noise"):
        recipe(Noise(), "x", "fix.safetensors")

"""Outlines from the font: their commands, and steps of a pen along them."""

import numpy as np
import pytest
from helpers import few_glyphs

from gapbook.glyphs import FACES, load_glyphs
from gapbook.outlines import STEPS, Outline, load_outlines, outline, pen_steps

SQUARE = Outline(np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0.0]]), np.array([1, 2, 2, 2, 2]))


def test_commands_are_whole_units_of_the_font() -> None:
    points, kinds = outline("A")
    assert kinds.tolist() == [1, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert (2048 * points).tolist()[:2] == [[700, 1294], [426, 551]]
    for char in "g&Ω♞":
        units = 2048 * outline(char).points
        assert (units == units.round()).all()


@pytest.mark.parametrize("char", "Ai&♞⌘")
def test_every_contour_ends_where_it_began(char: str) -> None:
    points, kinds = outline(char)
    begins = np.flatnonzero(kinds == 1)
    ends = np.append(begins[1:], len(points)) - 1
    assert (points[begins] == points[ends]).all()


def test_steps_leave_the_same_length_of_ink() -> None:
    steps = pen_steps(SQUARE, steps=8)
    expected = [[-0.25, 0], [0.25, 0], [0.5, 0.25], [0.5, 0.75]]
    np.testing.assert_allclose(steps[:4, :2], expected, atol=1e-6)
    np.testing.assert_allclose(steps[1:, 2:4], np.diff(steps[:, :2], axis=0), atol=1e-6)
    assert steps[:, 4].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


def test_curves_are_followed() -> None:
    # A parabola from (0, 0) to (2, 0) whose top is at half the height of its control point.
    arch = Outline(np.array([[0, 0], [1, 1], [2, 0.0]]), np.array([1, 3, 3]))
    x, y = pen_steps(arch, steps=40)[:, :2].T
    np.testing.assert_allclose(y, (1 - x**2) / 2, atol=0.04)


def test_the_pen_is_lifted_between_contours_and_leaves_no_ink_there() -> None:
    far = SQUARE.points + np.array([10, 0])
    two = Outline(np.concatenate([SQUARE.points, far]), np.tile(SQUARE.kinds, 2))
    steps = pen_steps(two, steps=16)
    assert np.flatnonzero(steps[:, 4]).tolist() == [0, 8]
    np.testing.assert_allclose(steps[:8, :2] + np.array([10, 0]), steps[8:, :2], atol=1e-5)
    assert pen_steps(outline("i"))[:, 4].sum() == 2


def test_outlines_are_those_of_the_same_characters_in_every_face() -> None:
    glyphs = few_glyphs()
    outlines = load_outlines(glyphs)
    assert outlines.shape == (len(FACES), len(glyphs), STEPS, 5)
    assert np.isfinite(outlines).all()
    for row in (0, 70, 199):
        char = chr(glyphs.codepoints[row])
        assert (outlines[0, row] == pen_steps(outline(char))).all()
    assert (outlines[1] != outlines[0]).any()


def test_a_face_without_the_character_keeps_the_first_outline() -> None:
    glyphs = load_glyphs().part("test")
    oblique = FACES[2]
    lacking = ~np.isin(glyphs.codepoints, load_glyphs(oblique).codepoints)
    assert lacking.any()
    regular, slanted = load_outlines(glyphs, [FACES[0], oblique])
    assert (regular[lacking] == slanted[lacking]).all()


def test_callers_may_change_what_they_get() -> None:
    glyphs = few_glyphs(2)
    load_outlines(glyphs)[:] = 0
    assert load_outlines(glyphs).any()


def test_other_faces_are_refused() -> None:
    with pytest.raises(ValueError, match="a typeface that ships with Matplotlib; got 'Arial'"):
        outline("A", "Arial")

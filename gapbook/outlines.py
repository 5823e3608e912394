"""GlyphPairs as outlines: how a pen draws the characters of a font that ships with Matplotlib."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapbook.glyphs import FACES, Glyphs, font_path, load_glyphs

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

# Steps of the pen: most characters have fewer commands, and more steps are slower to learn from.
STEPS = 48

# Pieces into which a curve is cut: the curves of a font are short.
PIECES = 4

# The units in which Matplotlib states an unscaled outline are 64 times those of the font.
FONT_UNITS = 64

# Kinds of commands, as Matplotlib numbers them.
MOVE = 1
LINE = 2
CURVE = 3


class Outline(NamedTuple):
    """The drawing commands of a character.

    Attributes
    ----------
    points : array of shape (m, 2)
        Where the commands lead, x to the right and y upwards, in heights of the font's em.
    kinds : array of shape (m,), uint8
        1 to move the pen, 2 to draw a line, and two points of 3 to draw a curve: its control point
        and its end. These are codes of ``matplotlib.path.Path``.
    """

    points: np.ndarray
    kinds: np.ndarray


@cache
def _font(face: str) -> "FT2Font":
    from matplotlib.ft2font import FT2Font

    return FT2Font(font_path(face))


def outline(char: str, face: str = "DejaVuSans") -> Outline:
    """Read the drawing commands of one character from the font.

    Parameters
    ----------
    char : str
        One character.
    face : str
        A font that ships with Matplotlib, by the name of its file.

    Returns
    -------
    Outline
        The commands. Each contour begins with a move and ends where it began.

    Raises
    ------
    ValueError
        If Matplotlib has no such typeface; the message lists those there are.

    Notes
    -----
    Points are whole numbers of the font's units over 2,048, whatever the version of FreeType: they
    are neither scaled to pixels nor fitted to them.

    Examples
    --------
    >>> points, kinds = outline("-")
    >>> (2048 * points).astype(int).tolist()
    [[100, 643], [639, 643], [639, 479], [100, 479], [100, 643]]
    >>> kinds.tolist()
    [1, 2, 2, 2, 2]
    """
    from matplotlib.ft2font import LoadFlags

    font = _font(face)
    font.load_char(ord(char), flags=LoadFlags.NO_HINTING | LoadFlags.NO_SCALE)
    points, kinds = font.get_path()
    # The command to close a contour leads nowhere.
    drawn = kinds <= CURVE
    return Outline(points[drawn] * (FONT_UNITS / font.units_per_EM), kinds[drawn])


def pen_steps(commands: Outline, steps: int = STEPS) -> np.ndarray:
    """Follow an outline in steps that leave the same length of ink each.

    Parameters
    ----------
    commands : Outline
        The drawing commands of a character, at least one of them a line or a curve.
    steps : int
        How many places of the pen are noted.

    Returns
    -------
    array of shape (steps, 5), float32
        At each place x and y, in heights of the em, x from the middle of the character; the move
        from the place before, dx and dy, 0 at the first; and whether the pen was lifted, 1 or 0.

    Examples
    --------
    >>> pen_steps(outline("-"), steps=4)[:, :2].round(2)
    array([[-0.05,  0.31],
           [ 0.13,  0.31],
           [ 0.05,  0.23],
           [-0.13,  0.23]], dtype=float32)
    """
    nodes, controls, kinds = _segments(commands)
    ends = np.arange(1, PIECES + 1)[:, None] / PIECES
    pieces = (
        (1 - ends) ** 2 * nodes[:-1, None]
        + 2 * ends * (1 - ends) * controls[:, None]
        + ends**2 * nodes[1:, None]
    )
    line = np.concatenate([nodes[:1], pieces.reshape(-1, 2)])
    length = np.hypot(*np.diff(line, axis=0).T)
    lifted = np.repeat(kinds == MOVE, PIECES)
    # A lifted pen leaves no ink.
    length[lifted] = 0
    ink = np.concatenate([[0], np.cumsum(length)])
    at = (np.arange(steps) + 0.5) / steps * ink[-1]
    contour = np.cumsum(lifted)[np.searchsorted(ink, at) - 1]
    drawn = np.zeros((steps, 5))
    for axis in (0, 1):
        drawn[:, axis] = np.interp(at, ink, line[:, axis])
    drawn[:, 0] -= (line[:, 0].min() + line[:, 0].max()) / 2
    drawn[1:, 2:4] = np.diff(drawn[:, :2], axis=0)
    drawn[:, 4] = np.diff(contour, prepend=-1) > 0
    return drawn.astype(np.float32)


def _segments(commands: Outline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ends of all segments, their control points and kinds; a line's control is its middle.

    There is one more end than segments: where the first begins.
    """
    points, kinds = commands
    curve = kinds == CURVE
    is_control = curve & (np.cumsum(curve) % 2 == 1)
    ends = np.flatnonzero(~is_control)
    nodes = points[ends]
    controls = (nodes[:-1] + nodes[1:]) / 2
    bent = kinds[ends[1:]] == CURVE
    controls[bent] = points[ends[1:][bent] - 1]
    return nodes, controls, kinds[ends[1:]]


@cache
def _face_steps(face: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the code points that a typeface has, and their steps of the pen."""
    codepoints = load_glyphs(face).codepoints
    steps = np.stack([pen_steps(outline(chr(codepoint), face)) for codepoint in codepoints])
    # All callers get the same arrays, since they are kept.
    steps.flags.writeable = False
    return codepoints, steps


def load_outlines(glyphs: Glyphs, faces: Sequence[str] = FACES) -> np.ndarray:
    """Return how characters are drawn in several typefaces.

    Parameters
    ----------
    glyphs : Glyphs
        Characters of DejaVu Sans.
    faces : sequence of str
        Their typefaces. One that lacks a character keeps the outline of the first.

    Returns
    -------
    array of shape (n_faces, n, 48, 5), float32
        The steps of the pen (``pen_steps``) by typeface and by character.

    Examples
    --------
    >>> load_outlines(load_glyphs().part("test"), ["DejaVuSans"]).shape
    (1, 1072, 48, 5)
    """
    by_face: list[np.ndarray] = []
    for face in faces:
        codepoints, steps = _face_steps(face)
        places = np.searchsorted(codepoints, glyphs.codepoints).clip(max=len(codepoints) - 1)
        drawn = steps[places]
        missing = codepoints[places] != glyphs.codepoints
        if by_face:
            drawn[missing] = by_face[0][missing]
        by_face.append(drawn)
    return np.stack(by_face)

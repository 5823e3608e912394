"""The explorer for any two modalities of GlyphPairs: pictures, pens, sounds and names."""

import html
import json
from collections.abc import Mapping, Sequence

import numpy as np

from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs
from gapbook.interactive.explorer import (
    PLANES,
    View,
    explore_views,
    find_matches,
    sheet_of,
    sprite,
)
from gapbook.interactive.markup import Interactive, asset, data_uri
from gapbook.outlines import load_outlines
from gapbook.pairs import PairedEmbeddings
from gapbook.projections import project
from gapbook.sounds import RANGE, SECONDS_PER_FRAME, band_corners, load_sounds

# The drawing of an outline, which is square: its side, the line on which letters stand, and the
# height of the em. An outline that reaches over the edge is drawn smaller.
SIDE = 100
BASELINE = 76
EM = 90
MARGIN = 4

# Samples a second of what is played: those of the program that spoke, above twice the highest band.
RATE = 22_050

# Levels of sounds are in steps of 8 of 255.
SOUND_COLORS = 33

HEAR = "resynthesized from the features that the model hears"


def explore_modalities(
    models: Mapping[tuple[str, str], PairedEmbeddings],
    rows: Sequence[int] | np.ndarray,
    *,
    glyphs: Glyphs,
    title: str,
    start: tuple[str, str] | None = None,
) -> Interactive:
    """Plot the same characters as encoders of any two modalities place them.

    Pointing at a character shows both of its sides: its image, its outline as a pen draws it, its
    spoken name as a spectrogram that can be played, or its written name.

    Parameters
    ----------
    models : mapping of (str, str) to PairedEmbeddings
        Embeddings of all characters, by the words for their two modalities and for how far they are
        trained, such as ``("sound and name", "before training")``: one for each combination.
        Their own ``modalities`` tell what is shown.
    rows : sequence of m int
        The characters that are shown. Matches are looked up among all.
    glyphs : Glyphs
        All characters, in the order of the embeddings.
    title : str
        Stands above the plot.
    start : tuple of two str, optional
        The key that is shown first; the first one by default.

    Returns
    -------
    Interactive
        What a notebook's cell shows: about 1 kB a character, and 0.1 kB more for each model.

    Raises
    ------
    ValueError
        If a combination is missing, a model has other characters, or a modality is none of image,
        outline, sound and name.

    Notes
    -----
    The plane is that of the gap vector (``gapbook.projections.project``), with the same limits for
    all models, so that gaps can be compared.
    """
    shown = np.asarray(rows)
    axis_labels = PLANES["gap"][1]
    views = {}
    for (pair, training), pairs in models.items():
        if len(pairs.x) != len(glyphs):
            raise ValueError(
                f"Expected embeddings of all {len(glyphs)} characters; got {len(pairs.x)} pairs of "
                f"{pair}"
            )
        gap = modality_gap(pairs.x, pairs.y)
        few = pairs.subset(shown)
        x2, y2 = project(few.x, few.y)
        views[pair, training] = View(
            x2,
            y2,
            axis_labels,
            f"{len(shown)} characters as {pair}, {training}; the gap is {gap:.2f}.",
            f"{pair}, {training}: gap {gap:.2f}",
            find_matches(pairs.x, pairs.y, shown),
            pairs.modalities,
        )
    return explore_views(
        views,
        ("pair", "training"),
        captions=[glyphs.names[row] for row in shown],
        title=title,
        candidates=glyphs.names,
        start=start,
        same_axes=True,
        contents=_tiles(glyphs, shown, views),
    )


def _tiles(glyphs: Glyphs, rows: np.ndarray, views: Mapping[tuple[str, str], View]) -> str:
    """Return what shows both sides of one character, of all modalities that occur."""
    makers = {
        "image": lambda: sprite(glyphs.images[rows]),
        "outline": lambda: _outline_tile(load_outlines(glyphs, ["DejaVuSans"])[0, rows]),
        "sound": lambda: _sound_tile(load_sounds(glyphs)[0, rows]),
        "name": lambda: '<p class="gap-name"></p>',
    }
    occurring = {modality for view in views.values() for modality in view.modalities}
    unknown = occurring.difference(makers)
    if unknown:
        raise ValueError(f"Expected modalities of {', '.join(makers)}; got {sorted(unknown)}")
    tiles = ""
    for modality, make in makers.items():
        if modality in occurring:
            tiles += f'<div class="gap-tile" data-modality="{modality}" hidden>'
            tiles += f"<span>{modality}</span>{make()}</div>"
    return f'<div class="gap-tiles">{tiles}</div>{asset("sound.js")}{asset("tiles.js")}'


def _outline_tile(outlines: np.ndarray) -> str:
    paths = "|".join(pen_path(steps) for steps in outlines)
    return (
        f'<svg class="gap-outline" viewBox="0 0 {SIDE} {SIDE}" role="img" '
        f'aria-label="the outline, in {outlines.shape[1]} steps of a pen" '
        f'data-outlines="{paths}"><path/><path/></svg>'
    )


def pen_path(steps: np.ndarray) -> str:
    """Return the steps of a pen as the path of an SVG, in a square of 100.

    Parameters
    ----------
    steps : array of shape (n, 5)
        The steps (``gapbook.outlines.pen_steps``).

    Examples
    --------
    >>> pen_path(np.array([[0, 0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5, 0], [0, 0.5, 0, 0, 1]]))
    'M50 76 95 31M50 31'
    """
    x = EM * steps[:, 0]
    y = -EM * steps[:, 1]
    reach = max(
        np.abs(x).max() / (SIDE / 2 - MARGIN),
        -y.min() / (BASELINE - MARGIN),
        y.max() / (SIDE - BASELINE - MARGIN),
        1,
    )
    places = np.rint(np.stack([SIDE / 2 + x / reach, BASELINE + y / reach], axis=1)).astype(int)
    path = ""
    for (across, down), lifted in zip(places, steps[:, 4], strict=True):
        path += f"{'M' if lifted else ' '}{across} {down}"
    return path


def _sound_tile(sounds: np.ndarray) -> str:
    """Return a sheet of spectrograms, low bands below, and the button that plays one."""
    longest = int(sounds.any(axis=2).sum(axis=1).max())
    sheet, columns, rows = sheet_of(sounds[:, :longest, ::-1].swapaxes(1, 2))
    # Without the beginning of a data URI: a site moves images into files, and of files on a disk
    # browsers let no script read the levels.
    encoded = data_uri(sheet, SOUND_COLORS).removeprefix("data:image/png;base64,")
    voice = {
        "corners": band_corners().round(1).tolist(),
        "seconds": SECONDS_PER_FRAME,
        "nats": RANGE / 255,
        "rate": RATE,
    }
    return (
        f'<div class="gap-image" data-columns="{columns}" data-rows="{rows}" '
        f'data-sheet="{encoded}"></div>'
        f'<button type="button" class="gap-hear" aria-label="Play the spoken name, {HEAR}" '
        f'data-voice="{html.escape(json.dumps(voice, separators=(",", ":")))}">Play</button>'
        f"<small>{HEAR}</small>"
    )

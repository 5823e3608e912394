"""A scatter plot of pairs that answers pointer and keyboard in a static page, with no kernel."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from gapbook.geometry import modality_gap, retrieval_ranks
from gapbook.interactive.markup import Interactive, asset, data_uri
from gapbook.numerals import typeset
from gapbook.pairs import PairedEmbeddings
from gapbook.plots.labels import label
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR
from gapbook.projections import GAP_VIEW_LABELS, project

# The drawing, in pixels; the page scales it to its own width.
WIDTH = 640
HEIGHT = 460

# The edges of the plot inside of the drawing, which leave room for ticks and axis labels.
LEFT = 80
RIGHT = WIDTH - 12
BOTTOM = HEIGHT - 60
TOP = 12

# Gray levels of the sheet of images: glyphs need no more.
IMAGE_COLORS = 16

KEYS = "Arrow keys left and right walk through the points, up and down go to the partner"
# Steps of 1/100 are as fine as a reader can use, and short to store.
COSINE_STEPS = 100

# How many of the most similar candidates are listed.
NEAREST = 5

# The planes among which a reader chooses, with their words and the labels of their axes.
Method = Literal["gap", "pca", "umap"]
PLANES: dict[Method, tuple[str, tuple[str, str]]] = {
    "gap": ("gap axis", GAP_VIEW_LABELS),
    "pca": ("PCA", ("first component", "second component")),
    "umap": ("UMAP", ("UMAP 1 (no unit)", "UMAP 2 (no unit)")),
}

HINT = "Point at a mark, tap it, or press Tab and then the arrow keys."


@dataclass(frozen=True)
class Matches:
    """What retrieval finds for some pairs among all of a model's pairs.

    Attributes
    ----------
    n : int
        The number of candidates.
    cosines : array of shape (m,)
        The cosine of each pair's partners.
    ranks : array of shape (2, m)
        The place of each partner, from 1, of images among texts and of texts among images.
    nearest : array of shape (2, m, 5)
        The rows of the most similar candidates, of texts for images and of images for texts.
    nearest_cosines : array of shape (2, m, 5)
        Their cosines.
    """

    n: int
    cosines: np.ndarray
    ranks: np.ndarray
    nearest: np.ndarray
    nearest_cosines: np.ndarray


@dataclass(frozen=True)
class View:
    """Pairs in one plane, one of several that a reader may choose from.

    Attributes
    ----------
    x2, y2 : array of shape (m, 2)
        Projections of images and of texts, row i of both a pair.
    axis_labels : tuple of two str
        The labels of the horizontal and of the vertical axis.
    alt : str
        A sentence that states what the view shows.
    note : str
        A few words that stand above the plot, such as the gap.
    matches : Matches, optional
        What retrieval finds for these pairs.
    modalities : tuple of two str
        What the two sides are, in the singular.
    """

    x2: np.ndarray
    y2: np.ndarray
    axis_labels: tuple[str, str]
    alt: str
    note: str = ""
    matches: Matches | None = None
    modalities: tuple[str, str] = ("image", "text")


def find_matches(x: np.ndarray, y: np.ndarray, rows: Sequence[int] | np.ndarray) -> Matches:
    """Look up partners and nearest candidates of some pairs among all.

    Parameters
    ----------
    x, y : array of shape (n, d)
        Unit rows of images and of texts, at least 5 pairs.
    rows : sequence of m int
        The pairs that are shown.

    Returns
    -------
    Matches
        Cosines, ranks and the five most similar candidates, in both directions.

    Examples
    --------
    >>> matches = find_matches(np.eye(6), np.eye(6), [2])
    >>> float(matches.cosines[0]), matches.ranks.ravel().tolist(), int(matches.nearest[0, 0, 0])
    (1.0, [1.0, 1.0], 2)
    """
    if len(x) < NEAREST:
        raise ValueError(f"Expected at least {NEAREST} pairs; got {len(x)}")
    shown = np.asarray(rows)
    ranks = retrieval_ranks(x, y)
    nearest = []
    cosines = []
    for queries, candidates in ((x[shown], y), (y[shown], x)):
        all_cosines = queries @ candidates.T
        best = np.argsort(-all_cosines, axis=1, kind="stable")[:, :NEAREST]
        nearest.append(best)
        cosines.append(np.take_along_axis(all_cosines, best, axis=1))
    return Matches(
        len(x),
        (x[shown] * y[shown]).sum(axis=1),
        1 + np.stack([ranks["image_to_text"][shown], ranks["text_to_image"][shown]]),
        np.stack(nearest),
        np.stack(cosines),
    )


def explore_pairs(
    x2: np.ndarray,
    y2: np.ndarray,
    *,
    captions: Sequence[str],
    title: str,
    alt: str,
    images: np.ndarray | None = None,
    axis_labels: tuple[str, str] = ("component 1", "component 2"),
) -> Interactive:
    """Plot pairs in two dimensions; pointing at one shows its image, caption and partner.

    Left and right arrow keys walk through a modality from left to right, up and down jump to the
    partner.

    Parameters
    ----------
    x2, y2 : array of shape (n, 2)
        Projections of images and of texts, row i of both a pair.
    captions : sequence of n str
        What each text says.
    title : str
        Stands above the plot.
    alt : str
        A sentence that states what the plot shows, for those who do not see it.
    images : array of shape (n, h, w), uint8, optional
        What each image shows.
    axis_labels : tuple of two str
        The labels of the horizontal and of the vertical axis.

    Returns
    -------
    Interactive
        What a notebook's cell shows, about 0.3 kB a pair, images included.

    Raises
    ------
    ValueError
        If the sizes differ, or a coordinate is not finite.

    Examples
    --------
    >>> x2 = np.eye(2)
    >>> explore_pairs(x2, -x2, captions=["a", "b"], title="Two pairs", alt="Two pairs far apart")
    <explorable plot of 2 pairs>
    """
    view = View(x2, y2, axis_labels, alt)
    return explore_views({(): view}, (), captions=captions, title=title, images=images)


def explore_views(  # noqa: PLR0913 - each is one line of the figure
    views: Mapping[tuple[Any, ...], View],
    labels: Sequence[str],
    *,
    captions: Sequence[str],
    title: str,
    images: np.ndarray | None = None,
    candidates: Sequence[str] = (),
    start: tuple[Any, ...] | None = None,
    sliders: bool = False,
    same_axes: bool = False,
    contents: str = "",
) -> Interactive:
    """Plot the same pairs in several views, which the reader switches.

    Pointing at a pair shows it as in ``explore_pairs`` and, where a view has matches, the cosine
    and the rank of the partner and the five most similar candidates.

    Parameters
    ----------
    views : mapping of tuple to View
        One for each combination of choices, such as ("GlyphCLIP at 1/100", "PCA").
    labels : sequence of str
        What is chosen, such as ("model", "view"): as many as a key has items.
    captions : sequence of m str
        What each text says.
    title : str
        Stands above the plot.
    images : array of shape (m, h, w), uint8, optional
        What each image shows.
    candidates : sequence of n str
        The captions of all pairs among which matches were looked up.
    start : tuple, optional
        The key of the view that is shown first; the first one of ``views`` by default.
    sliders : bool
        Whether choices are made with sliders; with lists if not.
    same_axes : bool
        Whether all views have the same limits.
    contents : str
        The markup of what shows one pair, beside its images. Elements with an attribute
        ``data-modality`` are shown in views of this modality. The figure keeps the place of the
        pair in ``data-active``, and an event ``gap-show`` says that it changed.

    Returns
    -------
    Interactive
        What a notebook's cell shows, about 4 bytes a coordinate.

    Raises
    ------
    ValueError
        If a combination is missing, sizes differ, or a coordinate is not finite.
    """
    choices = [list(dict.fromkeys(key[place] for key in views)) for place in range(len(labels))]
    _check_complete(views, choices)
    points = {key: _checked(view.x2, view.y2) for key, view in views.items()}
    n = len(next(iter(points.values()))[0])
    for each in points.values():
        _check_one_for_each(each.shape[1], captions, images)
    limits = np.concatenate(list(points.values()), axis=1) if same_axes else None
    stored: list[dict[str, Any]] = []
    matches: list[Matches] = []
    for key, view in views.items():
        pixels, frame = _place(points[key], view.axis_labels, limits)
        found = None
        if view.matches is not None:
            known = [place for place, each in enumerate(matches) if each is view.matches]
            found = known[0] if known else len(matches)
            if not known:
                matches.append(view.matches)
        stored.append(
            {
                "at": [choice.index(item) for choice, item in zip(choices, key, strict=True)],
                "points": " ".join(map(str, pixels.ravel())),
                "frame": frame,
                "alt": view.alt,
                "note": view.note,
                "matches": found,
                "modalities": view.modalities,
            }
        )
    place = 0 if start is None else list(views).index(start)
    first = stored[place]
    pixels = np.array(first["points"].split(), int).reshape(2, n, 2)
    plot = f'<g class="gap-axes">{first["frame"]}</g>'
    plot += _links(pixels) + _mark_path(0, pixels[0]) + _mark_path(1, pixels[1])
    name = html.escape(title)
    markup = (
        f"{asset('explorer.css')}"
        '<figure class="gap-explore" data-lm-suppress-shortcuts="true" '
        f'data-points="{first["points"]}" data-captions="{_joined(captions)}" '
        f'data-modalities="{_joined(first["modalities"])}">'
        f"<figcaption><strong>{name}</strong>"
        f'<span class="gap-legend">{_legend(first["modalities"])}</span></figcaption>'
        f"{_controls(labels, choices, first, sliders)}"
        '<div class="gap-body">'
        f'<div class="gap-plot" role="application" aria-label="{name}. {KEYS}.">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(first["alt"])}">'
        f"{plot}{_highlight()}</svg></div>"
        f'<div class="gap-card" hidden>{sprite(images)}{contents}<div>'
        f'<p class="gap-readout" aria-live="polite">{HINT}</p>'
        '<div class="gap-nearest"></div></div></div>'
        f"</div>{_stored(stored, matches, candidates)}</figure>"
        f"{asset('explorer.js')}"
    )
    summary = f"explorable plot of {n} pairs"
    if len(views) > 1:
        summary += f" in {len(views)} views"
    return Interactive(markup, summary)


def explore_models(
    models: Mapping[str, PairedEmbeddings],
    rows: Sequence[int] | np.ndarray,
    *,
    title: str,
    images: np.ndarray | None = None,
    start: str | None = None,
    methods: Sequence[Method] = ("gap", "pca", "umap"),
) -> Interactive:
    """Plot the same pairs as several models place them, in up to three views.

    Parameters
    ----------
    models : mapping of str to PairedEmbeddings
        The pairs with their captions, in the same order, by the name of the model.
    rows : sequence of m int
        The pairs that are shown. Matches are looked up among all pairs.
    title : str
        Stands above the plot.
    images : array of shape (n, h, w), uint8, optional
        What the images of all pairs show.
    start : str, optional
        The model that is shown first; the first one by default.
    methods : sequence of {"gap", "pca", "umap"}
        The views, as in ``gapbook.projections.project``; each is fitted to the pairs shown.

    Returns
    -------
    Interactive
        What a notebook's cell shows.
    """
    shown = np.asarray(rows)
    views = {}
    for name, pairs in models.items():
        matches = find_matches(pairs.x, pairs.y, shown)
        gap = modality_gap(pairs.x, pairs.y)
        few = pairs.subset(shown)
        for method in methods:
            words, axis_labels = PLANES[method]
            x2, y2 = project(few.x, few.y, method)
            alt = f"{len(shown)} pairs of {label(name)}, {words}; the gap is {gap:.2f}."
            note = f"{label(name)}: gap {gap:.2f}"
            views[label(name), words] = View(x2, y2, axis_labels, alt, note, matches)
    captions = next(iter(models.values())).captions or ()
    first = None if start is None else (label(start), PLANES[methods[0]][0])
    return explore_views(
        views,
        ("model", "view"),
        captions=[captions[row] for row in shown],
        title=title,
        images=None if images is None else images[shown],
        candidates=captions,
        start=first,
    )


def _check_complete(views: Mapping[tuple[Any, ...], View], choices: list[list[Any]]) -> None:
    """Raise an error where a combination of choices has no view."""
    expected = int(np.prod([len(choice) for choice in choices]))
    if len(views) != expected:
        raise ValueError(
            f"Expected a view for each of {expected} combinations of {choices}; got {len(views)}"
        )


def _controls(
    labels: Sequence[str], choices: list[list[Any]], first: dict[str, Any], sliders: bool
) -> str:
    """Return what switches views, hidden until the script has found it; and the note."""
    if not labels:
        return ""
    inputs = ""
    for name, choice, at in zip(labels, choices, first["at"], strict=True):
        texts = [html.escape(str(item).replace("|", "/")) for item in choice]
        control = _range_input(texts, at) if sliders else _list_input(texts, at)
        inputs += f"<label><span>{html.escape(name)}</span>{control}</label>"
    if sliders:
        inputs += '<button type="button" class="gap-play">Play</button>'
    return (
        f'<div class="gap-choices" hidden>{inputs}</div>'
        f'<p class="gap-note" role="status">{html.escape(first["note"])}</p>'
    )


def _range_input(texts: list[str], at: int) -> str:
    return (
        f'<input type="range" min="0" max="{len(texts) - 1}" step="1" value="{at}" '
        f'data-values="{"|".join(texts)}" aria-valuetext="{texts[at]}"><output>{texts[at]}</output>'
    )


def _list_input(texts: list[str], at: int) -> str:
    options = ""
    for place, text in enumerate(texts):
        chosen = " selected" if place == at else ""
        options += f'<option value="{place}"{chosen}>{text}</option>'
    return f"<select>{options}</select>"


def _stored(views: list[dict[str, Any]], matches: list[Matches], candidates: Sequence[str]) -> str:
    """Return what the script needs for the other views, as an element that browsers do not show."""
    if len(views) == 1 and not matches:
        return ""
    content = {
        "views": views,
        "candidates": list(candidates),
        "matches": [
            {
                "n": each.n,
                "cosines": _hundredths(each.cosines),
                "ranks": each.ranks.ravel().tolist(),
                "nearest": each.nearest.ravel().tolist(),
                "nearestCosines": _hundredths(each.nearest_cosines),
            }
            for each in matches
        ],
    }
    # In a script, only this would end it.
    text = json.dumps(content, separators=(",", ":")).replace("</", "<\\/")
    return f'<script type="application/json" class="gap-views">{text}</script>'


def _hundredths(cosines: np.ndarray) -> list[int]:
    return np.rint(COSINE_STEPS * cosines).astype(int).ravel().tolist()


def _checked(x2: np.ndarray, y2: np.ndarray) -> np.ndarray:
    """Return both modalities as one array (2, n, 2)."""
    x2 = np.asarray(x2, float)
    y2 = np.asarray(y2, float)
    n = len(x2)
    if n < 2 or x2.shape != (n, 2) or y2.shape != (n, 2) or not np.isfinite([x2, y2]).all():
        raise ValueError(
            "Expected x2 and y2 finite and of shape (n, 2), n at least 2; "
            f"got {x2.shape} and {y2.shape}"
        )
    return np.stack([x2, y2])


def _check_one_for_each(n: int, captions: Sequence[str], images: np.ndarray | None) -> None:
    """Raise an error where a pair has no caption or no image."""
    got = f"{len(captions)} captions"
    fits = len(captions) == n
    if images is not None:
        got += f" and images of shape {images.shape}"
        fits = fits and images.ndim == 3 and len(images) == n
    if not fits:
        raise ValueError(
            f"Expected a caption (and an image (h, w)) for each of {n} pairs; got {got}"
        )


def _joined(texts: Sequence[str]) -> str:
    """Return texts as one attribute, which the script splits at the vertical bar."""
    return html.escape("|".join(text.replace("|", "/") for text in texts))


def _mark_path(modality: int, points: np.ndarray) -> str:
    """Return one SVG path with all marks of a modality: circles, or diamonds for the second."""
    # A line of length 0 with round ends is a circle.
    marks = ("M{} {}h0", "M{} {}m-5 0l5-5 5 5-5 5z")
    color = (FIRST_COLOR, SECOND_COLOR)[modality]
    drawn = "".join(marks[modality].format(x, y) for x, y in points)
    return f'<path class="gap-m{modality}" style="--c:{color}" d="{drawn}"/>'


def _links(pixels: np.ndarray) -> str:
    """Return one SVG path with the lines between partners."""
    drawn = "".join(f"M{a} {b}L{c} {d}" for (a, b), (c, d) in zip(*pixels, strict=True))
    return f'<path class="gap-pairs" d="{drawn}"/>'


def _single_marks() -> list[str]:
    """Return one mark of each modality, at the origin."""
    return [_mark_path(modality, np.zeros((1, 2), int)) for modality in (0, 1)]


def _legend(modalities: tuple[str, str]) -> str:
    """Return a mark and a name for each modality."""
    return "".join(
        '<span><svg viewBox="-8 -8 16 16" aria-hidden="true">'
        f"{mark}</svg>{html.escape(name)}</span>"
        for mark, name in zip(_single_marks(), modalities, strict=True)
    )


def _highlight() -> str:
    """Return the hidden pair that the script moves to the one pointed at."""
    return f'<g class="gap-active" visibility="hidden"><path/>{"".join(_single_marks())}</g>'


def _place(
    points: np.ndarray, labels: tuple[str, str], limits: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """Map points (2, n, 2) to pixels; return them with the SVG of ticks and axis labels.

    The axes reach as far as the points, or as other points that are to be compared with them.
    """
    reach = points if limits is None else limits
    x, x_range = _pixels(points[..., 0], reach[..., 0], LEFT, RIGHT)
    # Pixels count downward.
    y, y_range = _pixels(points[..., 1], reach[..., 1], BOTTOM, TOP)
    drawn = ""
    for text, at in _ticks(x_range, LEFT, RIGHT):
        drawn += f'<path class="gap-grid" d="M{at} {TOP}V{BOTTOM}"/>'
        drawn += f'<text class="gap-x" x="{at}" y="{BOTTOM + 22}">{text}</text>'
    middle = (LEFT + RIGHT) // 2
    drawn += f'<text class="gap-x" x="{middle}" y="{HEIGHT - 8}">{html.escape(labels[0])}</text>'
    for text, at in _ticks(y_range, BOTTOM, TOP):
        drawn += f'<path class="gap-grid" d="M{LEFT} {at}H{RIGHT}"/>'
        drawn += f'<text class="gap-y" x="{LEFT - 6}" y="{at}" dy="6">{text}</text>'
    turned = f"translate(20 {(TOP + BOTTOM) // 2}) rotate(-90)"
    drawn += f'<text class="gap-x" transform="{turned}">{html.escape(labels[1])}</text>'
    return np.stack([x, y], axis=-1), drawn


def _pixels(
    values: np.ndarray, reach: np.ndarray, start: int, end: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Map values to whole pixels from start to end; return the range of values that this spans."""
    # Of points that are all equal, the margin keeps the range from being empty.
    margin = 0.04 * np.ptp(reach) + 1e-9
    span = (reach.min() - margin, reach.max() + margin)
    return np.rint(np.interp(values, span, (start, end))).astype(int), span


def _ticks(span: tuple[float, float], start: int, end: int) -> list[tuple[str, int]]:
    """Return the text and the pixel of each tick."""
    ticks = []
    for tick in MaxNLocator(5).tick_values(*span):
        if span[0] <= tick <= span[1]:
            text = typeset(f"{tick:.4g}")
            ticks.append((text, round(np.interp(tick, span, (start, end)))))
    return ticks


def sprite(images: np.ndarray | None) -> str:
    """Return the element that shows one image at a time, cut from one sheet of all of them.

    Parameters
    ----------
    images : array of shape (n, h, w), uint8, or None
        The images, row by row on a sheet that is about square.
    """
    if images is None:
        return ""
    sheet, columns, rows = sheet_of(images)
    address = data_uri(sheet, IMAGE_COLORS)
    return (
        f'<div class="gap-image" data-columns="{columns}" data-rows="{rows}" '
        f'style="background-image:url({address})"></div>'
    )


def sheet_of(images: np.ndarray) -> tuple[Image.Image, int, int]:
    """Put images row by row on one sheet, and return it with its numbers of columns and rows.

    Parameters
    ----------
    images : array of shape (n, h, w), uint8
        The images.
    """
    n, height, width = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, height, width).swapaxes(1, 2)
    return Image.fromarray(sheet.reshape(rows * height, columns * width)), columns, rows

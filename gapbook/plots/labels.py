"""One name and one color for one thing, in all figures and tables, and one order.

Models, temperatures and modalities are looked up here by the names that code has for them.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib import colormaps
from matplotlib.colors import to_hex

from gapbook.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION


class Look(NamedTuple):
    """How a thing is shown: its name, its color, and its mark in a scatter plot."""

    name: str
    color: str
    marker: str = "o"


# From the highest temperature to the lowest, as the gap grows; the learned one follows.
TEMPERATURES = ("1", "1/10", "1/20", "1/30", "1/50", "1/100", "learned")

# Light is hot and dark is cold, down to 1/100, CLIP's own. The light end of the map is left out,
# which no line on white may have. Colors follow the logarithm to a power: most temperatures of the
# book lie between 1/10 and 1/100, and get most of the map.
_SHADES = colormaps["viridis"]
_COLDEST = 0.01
_SPREAD = 1.8


def tau_color(tau: float) -> str:
    """Return the color of a temperature, on one scale in all figures.

    Parameters
    ----------
    tau : float
        The temperature. From 1 on it is as light, and from 1/100 on as dark, as can be.

    Examples
    --------
    >>> tau_color(1), tau_color(0.1), tau_color(0.01)
    ('#95d840', '#24aa83', '#460b5e')
    """
    place = math.log(tau) / math.log(_COLDEST)
    return to_hex(_SHADES(0.84 - 0.81 * min(max(place, 0.0), 1.0) ** _SPREAD))


def _tau(text: str) -> float:
    """Return a temperature as a number, of its label such as ``1/100``."""
    return 1 / float(text.removeprefix("1/"))


_TAU_COLORS = {tau: tau_color(_tau(tau)) for tau in TEMPERATURES[:-1]} | {"learned": PURPLE}

MODALITIES = {
    "image": Look("images", BLUE, "o"),
    "video": Look("videos", BLUE, "o"),
    "text": Look("texts", VERMILION, "D"),
    "protein": Look("proteins", BLUE, "o"),
}

# The order in which models stand: ours from before training on, then those of others.
MODELS = {
    "glyphclip-init": Look("GlyphCLIP untrained", "#777777", "s"),
    "glyphclip-t10": Look("GlyphCLIP at 1/10", _TAU_COLORS["1/10"], "o"),
    "glyphclip": Look("GlyphCLIP at 1/100", _TAU_COLORS["1/100"], "o"),
    "glyphclip-learned": Look("GlyphCLIP learned", _TAU_COLORS["learned"], "o"),
    "clip-coco-random": Look("CLIP untrained", "#777777", "s"),
    "clip-coco": Look("CLIP", BLACK, "^"),
    "videoclip-msrvtt-random": Look("VideoCLIP partly pretrained", "#777777", "s"),
    "videoclip-msrvtt": Look("VideoCLIP", SKY, "v"),
    "clasp-uniprot-random": Look("CLASP untrained", "#777777", "s"),
    "clasp-uniprot": Look("CLASP", ORANGE, "P"),
}

# Words for what else code has a name for.
WORDS = {
    "tau": "temperature",
    "tau_label": "temperature",
    "image_to_text": "image to text",
    "text_to_image": "text to image",
    "leaky_relu": "leaky ReLU",
    "relu": "ReLU",
    "tanh": "tanh",
    "maxout": "maxout",
    "std": "sd",
    "sd": "sd",
    "recall": "R@1",
    "r1": "R@1",
    "partner_cosine": "cosine of partners",
    "Center": "centering",
    "NearestNeighborNormalization": "NNN",
    "ProcrustesAlign": "Procrustes",
    "ProjectOut": "projection",
    "RotateTogether": "rotation",
    "ScoreScaling by all": "all scores",
    "ScoreScaling by pseudo-positives": "pseudo-positives",
    "ShiftAlongGap": "translation",
    "Standardize": "standardizing",
}


def label(name: object) -> str:
    """Return the words for a name that code has.

    Parameters
    ----------
    name : object
        A model, a temperature, a modality or a column.

    Returns
    -------
    str
        Its words; those of an unknown name are its own, with spaces for underscores.

    Examples
    --------
    >>> label("glyphclip-t10"), label("leaky_relu"), label("1/30"), label("Middle_Eastern")
    ('GlyphCLIP at 1/10', 'leaky ReLU', '1/30', 'Middle Eastern')
    """
    text = str(name)
    if text in MODELS:
        return MODELS[text].name
    if text in MODALITIES:
        return text
    return WORDS.get(text, text.replace("_", " ").strip())


def look(name: str) -> Look:
    """Return how a model, a temperature or a modality is shown, the same in every figure.

    Parameters
    ----------
    name : str
        Its name in code, such as ``"clip-coco"`` or ``"1/100"``.

    Raises
    ------
    KeyError
        If it has no look of its own.

    Examples
    --------
    >>> look("clip-coco").name, look("1/100").color == look("glyphclip").color
    ('CLIP', True)
    """
    if name in _TAU_COLORS:
        return Look(name, _TAU_COLORS[name])
    if name in MODELS:
        return MODELS[name]
    if name in MODALITIES:
        return MODALITIES[name]
    known = ", ".join([*MODELS, *TEMPERATURES, *MODALITIES])
    raise KeyError(f"Expected one of {known}; got {name!r}")


def ordered(names: Iterable[str]) -> list[str]:
    """Sort models, and temperatures from the highest on; others follow as they come.

    Parameters
    ----------
    names : iterable of str
        Names; one that comes again counts once.

    Examples
    --------
    >>> ordered(["1/100", "learned", "1", "1/100"]), ordered(["clip-coco", "glyphclip"])
    (['1', '1/100', 'learned'], ['glyphclip', 'clip-coco'])
    """
    order = {name: place for place, name in enumerate([*TEMPERATURES, *MODELS])}
    different = dict.fromkeys(names)
    return sorted(different, key=lambda name: order.get(name, len(order)))


def colors_of(names: Iterable[str], others: Sequence[str] = (GREEN, PURPLE, SKY)) -> dict[str, str]:
    """Give each name its color: its own if it has one, else one of the others in turn.

    Parameters
    ----------
    names : iterable of str
        What is drawn.
    others : sequence of str
        Colors of what has none of its own.

    Raises
    ------
    ValueError
        If there are more of these than colors.

    Examples
    --------
    >>> colors_of(["1/10", "ordinary"])["ordinary"]
    '#009E73'
    """
    different = list(dict.fromkeys(names))
    own = {name: look(name).color for name in different if _has_look(name)}
    rest = [name for name in different if name not in own]
    if len(rest) > len(others):
        raise ValueError(
            f"Expected at most {len(others)} to tell apart; got {len(rest)}: "
            f"{', '.join(rest)}; draw the others in a figure of their own"
        )
    return own | dict(zip(rest, others, strict=False))


def line_colors(names: Sequence[str]) -> dict[str, str]:
    """Give each line of a figure its color: its own, or shades from light to dark.

    Parameters
    ----------
    names : sequence of str
        Models or temperatures; or anything else, in an order that the shades follow.

    Examples
    --------
    >>> line_colors(["1", "1/100"]) == {"1": tau_color(1), "1/100": tau_color(0.01)}
    True
    """
    if all(map(_has_look, names)):
        return {name: look(name).color for name in names}
    last = max(1, len(names) - 1)
    return {name: to_hex(_SHADES(0.84 - 0.81 * i / last)) for i, name in enumerate(names)}


def _has_look(name: str) -> bool:
    return name in _TAU_COLORS or name in MODELS or name in MODALITIES

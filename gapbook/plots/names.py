"""Names that people gave, in figures: as they are, whatever characters they hold."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes

# Matplotlib's own, which has a box with a number in it for every character.
PLACEHOLDER_FONT = "Last Resort"
# A longer name would leave no room for what is drawn.
LONGEST_NAME = 30


def add_legend(ax: Axes, names: Sequence[str], **options: Any) -> None:
    """Add a legend in which each name stands as it was given.

    Matplotlib takes text between dollars for mathematics, and leaves out what starts with an
    underscore.

    Parameters
    ----------
    ax : Axes
        What is drawn, with a label (of any text that does not start with an underscore) for each
        name.
    names : sequence of str
        The names, in the order in which they were drawn. They are shown as ``drawable`` returns
        them.
    **options
        Those of ``Axes.legend``.
    """
    handles, labels = ax.get_legend_handles_labels()
    legend = ax.legend(handles, labels, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        shown = drawable(name)
        text.set_text(shown)
        text.set_parse_math(False)
        text.set_fontfamily([*text.get_fontfamily(), *_more_families(shown)])


def drawable(name: str) -> str:
    r"""Return a name as a figure can show it.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        The name in one line of at most 30 characters. A character that no font on this machine has
        stands as its escape in ASCII.

    Examples
    --------
    >>> drawable("US$ größe"), drawable("a\nb"), drawable("\x1b")
    ('US$ größe', 'a b', '\\x1b')
    >>> drawable("a name of far too many characters for a figure")
    'a name of far too many charac…'
    """
    line = " ".join(name.split())
    if len(line) > LONGEST_NAME:
        line = f"{line[: LONGEST_NAME - 1]}…"
    shown = []
    for character in line:
        if character.isprintable() and _family_with(character):
            shown.append(character)
        else:
            shown.append(character.encode("unicode_escape").decode())
    return "".join(shown)


def notes_on_names(names: Iterable[str]) -> list[str]:
    """Return a sentence for each name that ``drawable`` changes.

    Examples
    --------
    >>> notes_on_names(["image", "text"])
    []
    """
    notes = []
    for name in names:
        shown = drawable(name)
        if shown != name:
            notes.append(
                f"The figures show {name} as {shown}: names of up to {LONGEST_NAME} characters "
                "that a font on this machine has are shown as they are."
            )
    return notes


def _more_families(text: str) -> list[str]:
    """Return the families that have what the default font lacks."""
    families = [_family_with(character) for character in text]
    return list(dict.fromkeys(family for family in families if family))


def _family_with(character: str) -> str | None:
    """Return the family of a font that has a character, the default font's if it does."""
    default = font_manager.findfont(font_manager.FontProperties())
    if _has_glyph(default, character):
        return font_manager.get_font(default).family_name
    for entry in font_manager.fontManager.ttflist:
        is_placeholder = entry.name.startswith(PLACEHOLDER_FONT)
        if not is_placeholder and _has_glyph(entry.fname, character):
            return entry.name
    return None


def _has_glyph(path: str, character: str) -> bool:
    try:
        font = font_manager.get_font(path)
        # Fonts of colored pictures cannot be drawn at any size.
        return bool(font.scalable and font.get_char_index(ord(character)))
    # A font that was removed, or that Matplotlib cannot read.
    except (OSError, RuntimeError, ValueError):
        return False

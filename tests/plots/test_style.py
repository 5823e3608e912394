"""The style of all figures, and how they come onto a page."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from gapbook.plots import style


def luminance(color: str) -> float:
    return float(np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)))


def test_no_group_has_the_color_of_a_modality() -> None:
    modalities = {style.FIRST_COLOR, style.SECOND_COLOR}
    assert len(modalities) == 2
    assert not modalities & set(style.GROUP_COLORS)


def test_modalities_differ_in_mark_as_well_as_in_color() -> None:
    assert style.FIRST_MARKER != style.SECOND_MARKER


def test_every_color_stands_out_from_white() -> None:
    for color in (style.FIRST_COLOR, style.SECOND_COLOR, *style.GROUP_COLORS):
        assert luminance(color) < 0.7


def test_more_names_than_styles_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 3 to tell apart; got 4: a, b, c, d;"):
        style.assign("abcda", style.GROUP_COLORS)


def test_a_styled_function_keeps_its_name_and_leaves_no_trace() -> None:
    before = plt.rcParams["axes.spines.top"]

    @style.styled
    def draw(fraction: float) -> float:
        """Draw nothing."""
        assert plt.rcParams["axes.spines.top"] is False
        return fraction

    assert draw(0.5) == 0.5
    assert draw.__name__ == "draw"
    assert draw.__doc__ == "Draw nothing."
    assert plt.rcParams["axes.spines.top"] == before


def test_the_style_ends_with_an_error_too() -> None:
    @style.styled
    def fail() -> None:
        raise ValueError("no data")

    before = plt.rcParams["font.size"]
    with plt.rc_context({"font.size": 3}):
        with pytest.raises(ValueError, match="no data"):
            fail()
        assert plt.rcParams["font.size"] == 3
    assert plt.rcParams["font.size"] == before


def test_a_palette_keeps_a_rare_color() -> None:
    image = Image.new("RGB", (60, 60), "white")
    image.putpixel((5, 7), (213, 94, 0))
    kept = Image.open(io.BytesIO(style.palette_png(image, 8)))
    assert kept.mode == "P"
    assert np.abs(np.subtract(kept.convert("RGB").getpixel((5, 7)), (213, 94, 0))).max() <= 4


def test_a_palette_makes_a_plot_smaller() -> None:
    figure, ax = plt.subplots()
    ax.plot(np.sin(np.arange(200)))
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert len(style.palette_png(Image.open(buffer), 48)) < 0.6 * len(buffer.getvalue())


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (5, (3, 2))])
def test_at_most_two_panels_stand_in_a_row(count: int, shape: tuple) -> None:
    figure, grid = style.panel_grid(count, (3, 2), beside=1, sharey=True)
    assert grid.shape == shape
    assert len(figure.axes) == count
    assert figure.get_size_inches().tolist() == [3 * shape[1] + 1, 2 * shape[0]]

"""Sliders without a kernel: what their markup promises.

tests/book/test_site.py moves them in a browser.
"""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gapbook.interactive.sliders import slider


def draw(*point: float) -> Figure:
    figure = Figure((4, 3))
    figure.subplots().scatter(np.arange(300), np.sin(np.arange(300) / 20) + sum(point))
    return figure


def alt(*point: float) -> str:
    return f'A wave lifted by "{sum(point)}"'


def images(markup: str) -> list[str]:
    return re.findall(r"<img [^>]*>", markup)


def shown(markup: str) -> list[bool]:
    return [" hidden" not in image for image in images(markup)]


def pictures(markup: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", markup)]


def test_one_slider_shows_its_start_and_hides_the_rest() -> None:
    markup = slider(draw, [0, 5, 10], "lift <m>", start=1, alt=alt)._repr_html_()
    assert shown(markup) == [False, True, False]
    assert 'alt="A wave lifted by &quot;5&quot;"' in images(markup)[1]
    assert "lift &lt;m&gt;" in markup
    assert 'max="2"' in markup
    assert 'aria-valuetext="5"' in markup
    assert 'data-values="0|5|10"' in markup
    assert "Play" in markup


def test_markup_names_no_id_and_no_other_site() -> None:
    markup = slider(draw, [0, 5], "lift", alt=alt).markup
    assert not re.search(r'\sid="|https?://(?!www\.w3)', markup)


def test_two_sliders_vary_the_second_fastest() -> None:
    values = ([0, 100], [1, 2, 3])
    markup = slider(draw, values, ("hundreds", "ones"), start=(1, 0), alt=alt).markup
    lifts = [int(re.findall(r"&quot;(\d+)&quot;", image)[0]) for image in images(markup)]
    assert lifts == [1, 2, 3, 101, 102, 103]
    assert shown(markup).index(True) == 3
    assert markup.count("<input") == 2


def test_one_start_stands_for_both_sliders() -> None:
    markup = slider(draw, ([0, 100], [1, 2, 3]), ("hundreds", "ones"), start=1, alt=alt).markup
    assert shown(markup) == [False, False, False, False, True, False]


def test_equal_values_show_one_frame() -> None:
    assert sum(shown(slider(draw, [1, 1, 2], "lift", alt=alt).markup)) == 1


def test_a_bar_in_a_value_does_not_split_it() -> None:
    markup = slider(lambda _: draw(1), ["a|b", "c"], "name", alt=lambda value: value).markup
    assert 'data-values="a/b|c"' in markup


def test_figures_of_pyplot_are_closed() -> None:
    before = plt.get_fignums()
    slider(lambda lift: plt.figure(figsize=(6, 4)), [0, 1], "lift", alt=alt)
    assert plt.get_fignums() == before


def test_a_frame_is_small_and_a_quarter_larger_than_it_is_shown() -> None:
    markup = slider(draw, [0], "lift", alt=alt).markup
    picture = pictures(markup)[0]
    assert len(picture) < 25_000
    assert Image.open(io.BytesIO(picture)).size == (480, 360)
    assert 'width="384" height="288"' in markup


def test_frames_show_what_was_drawn() -> None:
    def paint(gray: float) -> Figure:
        figure = Figure((1, 1))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow([[gray]], vmin=0, vmax=1, cmap="gray", aspect="auto")
        return figure

    markup = slider(paint, [0, 1], "gray", alt=alt).markup
    grays = [
        np.asarray(Image.open(io.BytesIO(picture)).convert("L")).mean()
        for picture in pictures(markup)
    ]
    assert grays == pytest.approx([0, 255], abs=8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"values": []}, ValueError, "Expected a list of values"),
        ({"values": [[1], [2], [3]], "label": ("a", "b")}, ValueError, "Expected a list of values"),
        ({"start": 3}, ValueError, r"a start in it for each of .*; got \[0, 1, 2\], 3"),
        ({"start": -1}, ValueError, r"a start in it for each of .*; got \[0, 1, 2\], -1"),
        ({"start": (0, 0)}, ValueError, r"got .*, \(0, 0\)"),
        ({"draw": lambda lift: draw(lift).axes}, TypeError, "Matplotlib Figure; got list"),
        ({"draw": lambda lift: Figure((lift + 1, 1))}, ValueError, "figures of one size"),
    ],
)
def test_what_is_wrong_is_said(change: dict, error: type[Exception], message: str) -> None:
    arguments = {"draw": draw, "values": [0, 1, 2], "label": "lift", "alt": alt} | change
    with pytest.raises(error, match=message):
        slider(**arguments)

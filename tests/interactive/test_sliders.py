"""Figures that move without a kernel: what their markup promises; tests/book/test_site.py moves them in a browser."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gapbook.glyphs import render
from gapbook.interactive.explorer import explore_pairs
from gapbook.interactive.sliders import frames


def draw(*point: float) -> Figure:
    figure = Figure((4, 3))
    figure.subplots().scatter(np.arange(300), np.sin(np.arange(300) / 20) + sum(point))
    return figure


def alt(*point: float) -> str:
    return f'A wave lifted by "{sum(point)}"'


def images(markup: str) -> list[str]:
    return re.findall(r"<img [^>]*>", markup)


def test_one_slider_shows_its_start_and_hides_the_rest() -> None:
    markup = frames(draw, [0, 5, 10], "lift <m>", start=1, alt=alt)._repr_html_()
    assert [" hidden" in image for image in images(markup)] == [True, False, True]
    assert (
        'alt="A wave lifted by &quot;5&quot;"' in images(markup)[1] and "lift &lt;m&gt;" in markup
    )
    assert (
        'max="2"' in markup and 'aria-valuetext="5"' in markup and 'data-values="0|5|10"' in markup
    )
    assert "Play" in markup and not re.search(r'\sid="|https?://(?!www\.w3)', markup)


def test_two_sliders_vary_the_second_fastest() -> None:
    markup = frames(draw, ([0, 100], [1, 2, 3]), ("hundreds", "ones"), start=(1, 0), alt=alt).markup
    lifts = [int(re.findall(r"&quot;(\d+)&quot;", image)[0]) for image in images(markup)]
    assert lifts == [1, 2, 3, 101, 102, 103]
    assert [" hidden" in image for image in images(markup)].index(False) == 3 and markup.count(
        "<input"
    ) == 2


def test_equal_values_show_one_frame() -> None:
    markup = frames(draw, [1, 1, 2], "lift", alt=alt).markup
    assert sum(" hidden" not in image for image in images(markup)) == 1


def test_frames_are_small_and_figures_closed() -> None:
    before = plt.get_fignums()
    markup = frames(lambda lift: plt.figure(figsize=(6, 4)).figure, [0, 1], "lift", alt=alt).markup
    assert plt.get_fignums() == before
    encoded = re.findall(r"base64,([^\"]+)", frames(draw, [0], "lift", alt=alt).markup)[0]
    picture = base64.b64decode(encoded)
    assert (
        len(picture) < 25_000
        and Image.open(io.BytesIO(picture)).size == (480, 360)
        and len(images(markup)) == 2
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"values": []}, ValueError, "Expected a list of values"),
        ({"values": [[1], [2], [3]], "label": ("a", "b")}, ValueError, "Expected a list of values"),
        ({"start": 3}, ValueError, "a start in it for each of .*; got \\[0, 1, 2\\], 3"),
        ({"start": (0, 0)}, ValueError, "got .*, \\(0, 0\\)"),
        (
            {"draw": lambda lift: draw(lift).axes},
            TypeError,
            "Expected draw to return a Matplotlib Figure; got list",
        ),
        ({"draw": lambda lift: Figure((lift + 1, 1))}, ValueError, "figures of one size"),
    ],
)
def test_frames_say_what_is_wrong(change: dict, error: type[Exception], message: str) -> None:  # type: ignore[type-arg]
    arguments = {"draw": draw, "values": [0, 1, 2], "label": "lift", "alt": alt} | change
    with pytest.raises(error, match=message):
        frames(**arguments)


X = np.array([[0.0, 0.0], [1.0, 2.0], [0.5, 1.0]])
CAPTIONS = ["BLACK CHESS KNIGHT", 'A "quoted" <b>', "A|B"]


def explore(**change) -> str:  # type: ignore[no-untyped-def]
    arguments = {
        "x2": X,
        "y2": X + 3,
        "captions": CAPTIONS,
        "title": "Two bands",
        "alt": "Three pairs",
    } | change
    return explore_pairs(**arguments).markup


def test_explored_points_keep_their_places() -> None:
    markup = explore()
    flat = re.findall(r'data-points="([\d ]+)"', markup)[0].split()
    points = np.array(flat, int).reshape(2, 3, 2)
    assert (np.diff(points[0, [0, 2, 1], 0]) > 0).all() and (
        np.diff(points[0, [0, 2, 1], 1]) < 0
    ).all()  # y is upward
    assert (
        (points[1, :, 0] > points[0, :, 0].max()).all()
        and (points >= 0).all()
        and (points < 640).all()
    )
    assert (
        markup.count("h0") >= 3
        and 'data-captions="BLACK CHESS KNIGHT|A &quot;quoted&quot; &lt;b&gt;|A/B"' in markup
    )
    assert 'aria-label="Three pairs"' in markup and not re.search(r'\sid="|https?://', markup)


def test_explored_images_are_cut_from_one_sheet() -> None:
    drawn = np.zeros((3, 8, 8), np.uint8)
    drawn[2, 1, 3] = 255
    markup = explore(images=drawn)
    sheet = Image.open(
        io.BytesIO(base64.b64decode(re.findall(r"base64,([^)]+)\)", markup)[0]))
    ).convert("L")
    assert sheet.size == (16, 16) and np.argwhere(np.asarray(sheet) > 128).tolist() == [[8 + 1, 3]]
    assert 'data-columns="2" data-rows="2"' in markup


def test_four_hundred_pairs_stay_under_300_kb() -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    drawn = np.stack([render(chr(code)) for code in range(0x100, 0x100 + 400)])
    markup = explore(
        x2=x, y2=-x, captions=["GREEK SMALL LETTER ALPHA WITH DASIA AND VARIA"] * 400, images=drawn
    )
    assert 30_000 < len(markup) < 300_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y2": X[:2]}, r"shape \(n, 2\), n at least 2; got \(3, 2\) and \(2, 2\)"),
        ({"x2": X[:1], "y2": X[:1], "captions": ["a"]}, "n at least 2"),
        ({"x2": X * np.nan}, "finite"),
        ({"captions": ["a"]}, "for each of 3 pairs; got 1 captions"),
        ({"images": np.zeros((2, 8, 8), np.uint8)}, r"images of shape \(2, 8, 8\)"),
    ],
)
def test_explore_says_what_is_wrong(change: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        explore(**change)

"""The explorable scatter plot: what its markup promises.

tests/book/test_site.py points at it in a browser.
"""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from gapbook.glyphs import render
from gapbook.interactive.explorer import HEIGHT, WIDTH, explore_pairs
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR

X = np.array([[0.0, 0.0], [1.0, 2.0], [0.5, 1.0]])
CAPTIONS = ["BLACK CHESS KNIGHT", 'A "quoted" <b>', "A|B"]


def explore(**change) -> str:
    arguments = {"captions": CAPTIONS, "title": "Two bands", "alt": "Three pairs"}
    arguments |= {"x2": X, "y2": X + 3}
    return explore_pairs(**(arguments | change)).markup


def places(markup: str, n: int = 3) -> np.ndarray:
    """Return the pixels of the marks, of shape (2, n, 2), as the script reads them."""
    flat = re.findall(r'data-points="([\d ]+)"', markup)[0].split()
    return np.array(flat, int).reshape(2, n, 2)


def test_points_keep_their_places() -> None:
    first, second = places(explore())
    from_left = [0, 2, 1]
    assert (np.diff(first[from_left, 0]) > 0).all()
    # upward in the plot is downward in pixels
    assert (np.diff(first[from_left, 1]) < 0).all()
    assert second[:, 0].min() > first[:, 0].max()


def test_points_lie_inside_the_drawing() -> None:
    points = places(explore())
    assert (points > 0).all()
    assert (points < [WIDTH, HEIGHT]).all()


def test_pairs_that_coincide_have_a_place() -> None:
    points = places(explore(x2=np.zeros((3, 2)), y2=np.zeros((3, 2))))
    assert (points == points[0, 0]).all()


def test_marks_have_the_colors_of_the_modalities_and_links_join_partners() -> None:
    markup = explore()
    points = places(markup)
    for modality, color in enumerate((FIRST_COLOR, SECOND_COLOR)):
        path = re.findall(rf'class="gap-m{modality}" style="--c:{color}" d="([^"]+)"', markup)
        drawn = [mark.split("h")[0].split("m")[0] for mark in path]
        assert f"M{points[modality, 0, 0]} {points[modality, 0, 1]}" in drawn[1]
    links = re.findall(r'class="gap-pairs" d="([^"]+)"', markup)[0]
    (a, b), (c, d) = points[:, 1]
    assert f"M{a} {b}L{c} {d}" in links
    assert links.count("M") == 3


def test_captions_are_escaped_and_bars_do_not_split_them() -> None:
    expected = 'data-captions="BLACK CHESS KNIGHT|A &quot;quoted&quot; &lt;b&gt;|A/B"'
    assert expected in explore()


def test_those_who_do_not_see_it_get_the_finding_and_the_keys() -> None:
    markup = explore(title="Two <bands>")
    assert 'role="img" aria-label="Three pairs"' in markup
    assert 'aria-label="Two &lt;bands&gt;. Arrow keys left and right' in markup


def test_axes_are_labeled() -> None:
    markup = explore(axis_labels=("along & up", "across"))
    assert ">along &amp; up</text>" in markup
    assert ">across</text>" in markup


def test_ticks_are_round_numbers_with_a_minus_sign() -> None:
    markup = explore(x2=X - 2, y2=X)
    texts = re.findall(r'<text class="gap-x" x="\d+" y="\d+">([^<]+)</text>', markup)
    minus = "\N{MINUS SIGN}"
    assert texts == [f"{minus}1.6", f"{minus}0.8", "0", "0.8", "component 1"]


def test_markup_names_no_id_and_no_other_site() -> None:
    assert not re.search(r'\sid="|https?://', explore())


def test_images_are_cut_from_one_sheet() -> None:
    drawn = np.zeros((3, 8, 8), np.uint8)
    drawn[2, 1, 3] = 255
    markup = explore(images=drawn)
    encoded = re.findall(r"base64,([^)]+)\)", markup)[0]
    sheet = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L")
    assert sheet.size == (16, 16)
    # the third image stands below the first
    assert np.argwhere(np.asarray(sheet) > 128).tolist() == [[8 + 1, 3]]
    assert 'data-columns="2" data-rows="2"' in markup


def test_four_hundred_pairs_stay_under_300_kb() -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    drawn = np.stack([render(chr(code)) for code in range(0x100, 0x100 + 400)])
    captions = ["GREEK SMALL LETTER ALPHA WITH DASIA AND VARIA"] * 400
    markup = explore(x2=x, y2=-x, captions=captions, images=drawn)
    assert len(places(markup, 400)[0]) == 400
    assert len(markup) < 300_000


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
def test_what_is_wrong_is_said(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explore(**change)

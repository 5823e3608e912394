"""The explorable scatter plot: what its markup promises.

tests/book/test_site.py points at it in a browser.
"""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from gapbook.glyphs import render
from gapbook.interactive.explorer import (
    HEIGHT,
    WIDTH,
    View,
    explore_models,
    explore_pairs,
    explore_views,
    find_matches,
)
from gapbook.pairs import PairedEmbeddings
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


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def pairs() -> PairedEmbeddings:
    rng = np.random.default_rng(0)
    x, y = (unit(rng.normal(size=(12, 4))) for _ in range(2))
    captions = tuple(f"caption {row}" for row in range(12))
    return PairedEmbeddings.from_arrays(x, y, captions=captions)


def stored(markup: str) -> dict:
    """Return what the script reads of views and matches."""
    return json.loads(re.findall(r'class="gap-views">(.*?)</script>', markup)[0])


def views(**change) -> dict:
    axes = ("across", "up")
    return {
        (model, plane): View(X + step, X - step, axes, f"{model} by {plane}", f"{model}!", **change)
        for step, (model, plane) in enumerate(
            [("one", "gap"), ("one", "PCA"), ("two", "gap"), ("two", "PCA")]
        )
    }


def switchable(shown: dict, **options) -> str:
    labels = ("model", "view")
    return explore_views(shown, labels, captions=CAPTIONS, title="Two", **options).markup


def test_matches_agree_with_sorting_all_cosines(pairs: PairedEmbeddings) -> None:
    rows = [3, 7]
    matches = find_matches(pairs.x, pairs.y, rows)
    cosines = pairs.x @ pairs.y.T
    for place, row in enumerate(rows):
        for side, queries in enumerate((cosines, cosines.T)):
            order = np.argsort(-queries[row])
            assert matches.nearest[side, place].tolist() == order[:5].tolist()
            assert matches.ranks[side, place] == 1 + order.tolist().index(row)
            np.testing.assert_allclose(
                matches.nearest_cosines[side, place], queries[row][order[:5]]
            )
    np.testing.assert_allclose(matches.cosines, np.diag(cosines)[rows], atol=1e-6)


def test_matches_need_five_pairs() -> None:
    with pytest.raises(ValueError, match="at least 5 pairs; got 2"):
        find_matches(np.eye(2), np.eye(2), [0])


def test_views_are_stored_with_their_places_words_and_frames() -> None:
    markup = switchable(views())
    content = stored(markup)["views"]
    assert [view["at"] for view in content] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert [view["alt"] for view in content][1] == "one by PCA"
    assert content[0]["points"] != content[1]["points"]
    assert places(markup).ravel().tolist() == list(map(int, content[0]["points"].split()))
    assert all(">across</text>" in view["frame"] for view in content)
    assert markup.count("<select>") == 2


def test_a_view_in_the_middle_can_come_first() -> None:
    markup = switchable(views(), start=("two", "gap"))
    assert 'role="img" aria-label="two by gap"' in markup
    assert '<option value="1" selected>two</option>' in markup


def test_choices_can_be_sliders_with_equal_axes() -> None:
    markup = switchable(views(), sliders=True, same_axes=True)
    assert markup.count('type="range"') == 2
    frames = {view["frame"] for view in stored(markup)["views"]}
    assert len(frames) == 1


def test_models_share_their_pairs_and_each_has_its_matches(pairs: PairedEmbeddings) -> None:
    turned = PairedEmbeddings.from_arrays(pairs.x, -pairs.y, captions=pairs.captions)
    models = {"glyphclip": pairs, "glyphclip-t10": turned}
    markup = explore_models(
        models, range(0, 12, 2), title="Two models", methods=("gap", "pca")
    ).markup
    content = stored(markup)
    assert [view["matches"] for view in content["views"]] == [0, 0, 1, 1]
    assert content["candidates"] == list(pairs.captions or ())
    assert len(content["matches"][0]["nearest"]) == 2 * 6 * 5
    assert "GlyphCLIP at 1/10" in markup
    partner = (pairs.x[0] * pairs.y[0]).sum()
    assert content["matches"][0]["cosines"][0] == round(100 * partner)


def test_a_missing_combination_of_choices_is_an_error() -> None:
    three = dict(list(views().items())[:3])
    with pytest.raises(ValueError, match=r"each of 4 combinations .* got 3"):
        switchable(three)


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

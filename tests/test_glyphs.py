"""GlyphPairs: the same characters, captions and split on every machine."""

import re
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import ImageFont

from gapbook import glyphs as g
from gapbook import retrieval
from gapbook.exceptions import PairsError

SAMPLES = Path(__file__).parent / "glyph_samples.npz"


def test_names_are_those_of_unicode_and_unique() -> None:
    table = g.characters()
    assert table["codepoint"].is_monotonic_increasing
    assert table["codepoint"].is_unique
    assert table["name"].is_unique
    assert all(
        unicodedata.name(chr(c)) == name
        for c, name in zip(table["codepoint"], table["name"], strict=True)
    )
    assert not any(unicodedata.category(chr(c))[0] in "ZCM" for c in table["codepoint"])


def test_split_is_a_fixed_hash_of_about_70_10_20_percent() -> None:
    table = g.characters()
    assert [g.split(c) for c in table["codepoint"]] == table["split"].to_list()
    shares = table["split"].value_counts(normalize=True)
    for part, share in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        assert abs(shares[part] - share) < 3 * np.sqrt(share * (1 - share) / len(table)), part


def test_no_glyph_is_empty_and_case_shows() -> None:
    images = g.load_glyphs().images
    assert (images.max(axis=(1, 2)) > 0).all()
    # One scale for all: capitals stand a third higher.
    heights = [np.ptp(g.render(char).any(axis=1).nonzero()[0]) for char in "Oo"]
    assert heights[0] > 1.2 * heights[1]


@pytest.mark.parametrize(
    "char",
    ["\N{PER TEN THOUSAND SIGN}", "\N{INTEGRAL}", "\N{FULL BLOCK}", "\N{BLACK RIGHTWARDS ARROW}"],
)
def test_a_glyph_that_overflows_is_shrunk_not_cut(char: str) -> None:
    # Cut ink would be missing from the ratio of width and height that the font itself gives.
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), 48)
    left, top, right, bottom = font.getbbox(char, anchor="ls")
    rows, columns = np.nonzero(g.render(char))
    drawn = (np.ptp(columns) + 1) / (np.ptp(rows) + 1)
    assert drawn == pytest.approx((right - left) / (bottom - top), rel=0.2)


def test_images_equal_the_samples_up_to_one_gray_level() -> None:
    with np.load(SAMPLES) as samples:
        drawn = np.stack([g.render(chr(c)) for c in samples["codepoints"]])
        difference = np.abs(drawn.astype(int) - samples["images"])
    assert difference.max() <= 1


def test_faces_keep_the_order_and_fall_back_to_the_first() -> None:
    part = g.load_glyphs().part("validation")
    stack = g.all_faces(part)
    assert stack.shape == (4, len(part), 32, 32)
    lacking = ~np.isin(part.codepoints, g.load_glyphs("DejaVuSans-Oblique").codepoints)
    assert lacking.any()
    np.testing.assert_array_equal(stack[2][lacking], part.images[lacking])
    sixth = np.flatnonzero(np.isin(part.codepoints, g.load_glyphs("DejaVuSans-Bold").codepoints))[5]
    bold = g.render(chr(part.codepoints[sixth]), "DejaVuSans-Bold")
    np.testing.assert_array_equal(stack[1][sixth], bold)


def test_characters_of_one_caption_share_the_image_of_the_first() -> None:
    cut = g.first_words(g.load_glyphs().part("validation"), 2)
    shared = g.share_image_by_caption(cut)
    first = [cut.names.index(name) for name in cut.names]
    assert len(set(first)) < len(first)
    np.testing.assert_array_equal(shared.images, cut.images[first])
    assert shared.names == cut.names


def test_no_other_face_of_a_shared_image_is_drawn() -> None:
    shared = g.share_image_by_caption(g.first_words(g.load_glyphs().part("validation")))
    faces = g.all_faces(shared)
    np.testing.assert_array_equal(faces, np.broadcast_to(shared.images, faces.shape))


def test_tokens_spell_unknown_words_cut_long_captions_and_end_with_the_largest_number() -> None:
    v = g.vocabulary()
    tokens = g.caption_tokens(["SNOWMAN", "LATIN SMALL LETTER A", " ".join(["LATIN"] * 40)])
    spelled = [v["<start>"], *(v[c] for c in "SNOWMAN"), v["<end>"]]
    assert tokens[0, :9].tolist() == spelled
    assert not tokens[0, 9:].any()
    assert (tokens.max(axis=1) == v["<end>"]).all()
    assert tokens[2, -1] == v["<end>"]
    assert sorted(v.values()) == list(range(len(v)))


@pytest.mark.parametrize("names", ["SNOWMAN", ["SNOWMAN", None], [["SNOWMAN", "SUN"]], [" "]])
def test_what_are_no_captions_is_refused(names: object) -> None:
    with pytest.raises(PairsError, match=r"Expected .*captions"):
        g.caption_tokens(names)


def test_vocabulary_holds_no_word_of_held_out_captions_alone() -> None:
    table = g.characters()
    train = " ".join(table["name"][table["split"] == "train"])
    words = {word for word in g.vocabulary() if len(word) > 1 and word[0] != "<"}
    assert words <= set(re.findall("[A-Z]+", train))


def test_a_part_that_does_not_exist_and_a_face_that_is_not_there() -> None:
    with pytest.raises(ValueError, match='"train", "validation", "test"; got \'tset\''):
        g.load_glyphs().part("tset")
    with pytest.raises(
        ValueError, match="ships with Matplotlib; got 'Comic'; there are DejaVuSans"
    ):
        g.render("A", "Comic")


def test_baseline_gives_a_training_image_its_own_name() -> None:
    train = g.load_glyphs().part("validation")
    x, y = g.nearest_neighbor_pairs(train, train)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    same = g.retrieval_ceiling(train.images)
    assert (np.einsum("ij,ij->i", unit, y) > 0.999).mean() == pytest.approx(same, abs=0.03)


def test_twenty_neighbors_do_better_than_one_and_were_chosen_on_validation() -> None:
    glyphs = g.load_glyphs()
    part = [glyphs.part("train"), glyphs.part("validation")]
    recall = {
        k: retrieval(*g.nearest_neighbor_pairs(*part, k=k), ks=(1,))["recall"].mean()
        for k in (1, 20, 400)
    }
    assert recall[20] > recall[1]
    assert recall[20] > recall[400]

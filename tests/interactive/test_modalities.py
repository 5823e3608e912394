"""The explorer of six pairs of modalities: what it stores, shows and plays."""

import base64
import io
import json
import re
from itertools import combinations

import numpy as np
import pytest
from helpers import few_glyphs
from PIL import Image
from playwright.sync_api import expect

from gapbook.geometry import modality_gap, retrieval_ranks
from gapbook.glyphs import Glyphs
from gapbook.interactive import explore_modalities
from gapbook.interactive.markup import asset
from gapbook.interactive.modalities import BASELINE, RATE, SIDE, pen_path
from gapbook.outlines import load_outlines
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.sounds import spectrogram
from gapbook.press.page_images import DATA_URI
from gapbook.sounds import RANGE, SECONDS_PER_FRAME, band_corners, load_sounds

MODALITIES = ("image", "outline", "sound", "name")
TRAINING = ("before", "after")
SHOWN = range(0, 20, 2)

# Counts sounds that start, and keeps their lengths.
LISTEN = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function () {
  window.heard.push(this.buffer.duration);
  return start.apply(this, arguments);
};
"""


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return few_glyphs()


@pytest.fixture(scope="module")
def models(glyphs) -> dict[tuple[str, str], PairedEmbeddings]:
    rng = np.random.default_rng(0)
    made = {}
    for first, second in combinations(MODALITIES, 2):
        for training in TRAINING:
            x, y = (unit(rng.normal(size=(len(glyphs), 6))) for _ in range(2))
            pairs = PairedEmbeddings.from_arrays(x, y, modalities=(first, second))
            made[f"{first} and {second}", training] = pairs
    return made


@pytest.fixture(scope="module")
def markup(models, glyphs) -> str:
    return explore_modalities(models, SHOWN, glyphs=glyphs, title="Characters").markup


@pytest.fixture(scope="module")
def content(markup) -> dict:
    return json.loads(re.findall(r'class="gap-views">(.*?)</script>', markup)[0])


@pytest.fixture
def page(browser, markup, tmp_path):
    """A page of the figure from a disk, on a phone; it must raise no error and ask for nothing."""
    path = tmp_path / "page.html"
    # as in the site, whose images are files
    for place, image in enumerate(DATA_URI.finditer(markup)):
        name = f"{place}.png"
        (tmp_path / name).write_bytes(base64.b64decode(image[2]))
        markup = markup.replace(image[0], name)
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><main>{markup}</main>')
    context = browser.new_context(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(LISTEN)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    outside = [each for each in trouble if not each.startswith(("data:", "file:"))]
    assert not outside


def test_each_model_has_its_modalities_and_the_ranks_of_its_own_cosines(models, content) -> None:
    assert len(content["views"]) == len(content["matches"]) == 12
    rows = list(SHOWN)
    for view, pairs in zip(content["views"], models.values(), strict=True):
        assert tuple(view["modalities"]) == pairs.modalities
        assert f"gap {modality_gap(pairs.x, pairs.y):.2f}" in json.dumps(view)
        found = content["matches"][view["matches"]]
        ranks = retrieval_ranks(pairs.x, pairs.y)
        expected = [ranks[direction][rows] + 1 for direction in ("image_to_text", "text_to_image")]
        np.testing.assert_array_equal(found["ranks"], np.concatenate(expected))
        cosines = pairs.x @ pairs.y.T
        np.testing.assert_array_equal(found["cosines"], np.rint(100 * np.diag(cosines)[rows]))
        best = np.argsort(-cosines[rows], axis=1)[:, :5]
        np.testing.assert_array_equal(found["nearest"][: 5 * len(rows)], best.ravel())


def test_all_models_are_drawn_to_one_scale(content) -> None:
    assert len({view["frame"] for view in content["views"]}) == 1


def test_pictures_of_sounds_hold_the_levels_that_the_model_hears(markup, glyphs) -> None:
    encoded = re.findall(r'data-sheet="([^"]+)"', markup)[0]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L"), int)
    sounds = load_sounds(glyphs)[0, list(SHOWN)]
    longest = sounds.any(axis=2).sum(axis=1).max()
    columns = sheet.shape[1] // longest
    for place, sound in enumerate(sounds):
        down, across = divmod(place, columns)
        tile = sheet[24 * down : 24 * (down + 1), longest * across : longest * (across + 1)]
        np.testing.assert_allclose(tile[::-1].T, sound[:longest], atol=1)


def test_outlines_are_the_steps_of_the_pen(markup, glyphs) -> None:
    paths = re.findall(r'data-outlines="([^"]+)"', markup)[0].split("|")
    outlines = load_outlines(glyphs, ["DejaVuSans"])[0, list(SHOWN)]
    assert paths == [pen_path(steps) for steps in outlines]
    for path, steps in zip(paths, outlines, strict=True):
        places = np.array(re.findall(r"(\d+) (\d+)", path), int)
        assert len(places) == len(steps)
        assert ((places >= 0) & (places <= 100)).all()
        assert path.count("M") == steps[:, 4].sum()
        # The pen goes right and up as the steps do, both by one scale.
        right, up = (places - [SIDE / 2, BASELINE]).T * [[1], [-1]]
        scale = right @ steps[:, 0] + up @ steps[:, 1]
        scale /= np.square(steps[:, :2]).sum()
        assert scale > 0
        np.testing.assert_allclose([right, up], scale * steps[:, :2].T, atol=0.75)


def test_what_is_played_has_the_bands_that_the_model_hears(browser, glyphs) -> None:
    page = browser.new_page()
    page.set_content(asset("sound.js"))
    voice = {
        "corners": band_corners().tolist(),
        "seconds": SECONDS_PER_FRAME,
        "nats": RANGE / 255,
    }
    for levels in load_sounds(glyphs)[0, :4]:
        spoken = levels[levels.any(axis=1)].astype(int)
        samples = page.evaluate(
            "(a) => [...gapSound.samples(a.frames, a.voice, a.rate)]",
            {"frames": spoken.tolist(), "voice": voice, "rate": RATE},
        )
        assert np.abs(samples).max() == pytest.approx(0.8, abs=1e-6)
        heard = spectrogram(np.array(samples), RATE)[: len(spoken)]
        assert np.corrcoef(heard.ravel(), spoken[: len(heard)].ravel())[0, 1] > 0.9
    page.close()


def test_a_character_takes_about_a_kilobyte_and_little_more_for_each_model(markup) -> None:
    # what all characters share: scripts, style, frames of the axes
    assert len(markup) < 60_000 + len(SHOWN) * (1000 + 12 * 120)
    assert not re.search(r'\sid="|https?://', re.sub(r"data:image/[^\"')]+", "", markup))


def test_another_pair_changes_marks_words_and_sides(page) -> None:
    figure = page.locator(".gap-explore")
    plot = figure.locator(".gap-plot")
    plot.press("ArrowRight")
    expect(figure.locator(".gap-tile:visible > span")).to_have_text(["image", "outline"])
    marks = plot.locator("svg > .gap-m0")
    before = marks.get_attribute("d")
    figure.get_by_label("pair").select_option("sound and name")
    expect(figure.locator(".gap-tile:visible > span")).to_have_text(["sound", "name"])
    expect(figure.locator(".gap-legend span")).to_have_text(["sound", "name"])
    expect(figure.locator(".gap-note")).to_contain_text("sound and name, before: gap")
    expect(figure.locator(".gap-nearest p")).to_have_text("The five nearest names:")
    assert marks.get_attribute("d") != before
    readout = figure.locator(".gap-readout")
    words = readout.inner_text()
    assert words.startswith(figure.locator(".gap-name").inner_text())
    figure.get_by_label("training").select_option("after")
    expect(readout).not_to_have_text(words)
    expect(figure.locator(".gap-note")).to_contain_text("sound and name, after: gap")


def test_arrow_keys_walk_and_the_pen_follows(page) -> None:
    figure = page.locator(".gap-explore")
    plot = figure.locator(".gap-plot")
    plot.press("ArrowRight")
    pen = figure.locator(".gap-outline path").first
    first = pen.get_attribute("d")
    # where motion is unwelcome, the whole outline is there at once
    assert len(re.findall(r"\d+ \d+", first)) == 48
    plot.press("ArrowRight")
    expect(pen).not_to_have_attribute("d", first)
    plot.press("ArrowUp")
    expect(figure.locator(".gap-readout")).to_contain_text("(its outline; cosine")


def test_sounds_are_heard_by_button_and_keyboard_and_never_by_themselves(page) -> None:
    figure = page.locator(".gap-explore")
    figure.get_by_label("pair").select_option("sound and name")
    figure.locator(".gap-plot").press("ArrowRight")
    assert page.evaluate("heard.length") == 0
    button = figure.get_by_role("button", name="Play the spoken name")
    button.click()
    page.wait_for_function("heard.length === 1")
    button.press("Enter")
    page.wait_for_function("heard.length === 2")
    durations = page.evaluate("heard")
    assert 0.2 < durations[0] < 2.6
    assert durations[0] == durations[1]


def test_nothing_is_wider_than_a_phone(page) -> None:
    page.locator(".gap-plot").press("ArrowRight")
    for pair in ("image and outline", "sound and name"):
        page.get_by_label("pair").select_option(pair)
        assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    sizes = page.evaluate(
        """[...document.querySelectorAll(".gap-tile :is(span, small, button, p)")]
        .map((e) => parseFloat(getComputedStyle(e).fontSize))"""
    )
    assert min(sizes) >= 9


def test_on_paper_the_plot_stands_without_controls(page) -> None:
    page.emulate_media(media="print")
    figure = page.locator(".gap-explore")
    expect(figure.locator(".gap-plot svg")).to_be_visible()
    expect(figure.locator(".gap-choices")).to_be_hidden()
    expect(figure.locator(".gap-card")).to_be_hidden()


def test_other_characters_and_unknown_modalities_are_refused(models, glyphs) -> None:
    (key, pairs), *_ = models.items()
    few = pairs.subset(slice(0, 10))
    with pytest.raises(ValueError, match=f"all {len(glyphs)} characters; got 10 pairs of image"):
        explore_modalities({key: few}, SHOWN, glyphs=glyphs, title="Few")
    video = PairedEmbeddings.from_arrays(pairs.x, pairs.y, modalities=("video", "name"))
    with pytest.raises(ValueError, match=r"modalities of image, outline, .*; got \['video'\]"):
        explore_modalities({key: video}, SHOWN, glyphs=glyphs, title="Videos")

"""Labels of characters by their names, handwritten digits, and tasks as a model sees them."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import unit

from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs
from gapbook.zeroshot.tasks import BLOCKS, TASKS, TaskEmbeddings, embed_tasks, handwritten_digits


def named(*names: str) -> Glyphs:
    images = np.zeros((len(names), 32, 32), np.uint8)
    codepoints = 0x21 + np.arange(len(names))
    return Glyphs(images, list(names), codepoints, np.array(["test"] * len(names)))


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("case", "GREEK CAPITAL LETTER ALPHA", "CAPITAL"),
        ("case", "LATIN SMALL LETTER A WITH GRAVE", "SMALL"),
        ("case", "LATIN LETTER SMALL CAPITAL B", None),
        ("case", "MODIFIER LETTER SMALL B", None),
        ("script", "CANADIAN SYLLABICS TWE", "CANADIAN"),
        ("script", "ARABIC LETTER YEH ISOLATED FORM", "ARABIC"),
        ("script", "ARABIC-INDIC DIGIT ONE", None),
        ("letter", "LATIN CAPITAL LETTER O WITH STROKE", "O"),
        ("letter", "LATIN SMALL LETTER OE", None),
        ("letter", "CYRILLIC SMALL LETTER A", None),
        ("arrow", "BLACK RIGHTWARDS ARROWHEAD", "RIGHTWARDS"),
        ("arrow", "LEFTWARDS ARROW OVER RIGHTWARDS ARROW", None),
        ("arrow", "LEFTWARDS HARPOON WITH BARB UPWARDS", None),
        ("digit", "DINGBAT CIRCLED SANS-SERIF DIGIT SEVEN", "SEVEN"),
        ("digit", "DIGIT SEVENTY", None),
    ],
)
def test_a_name_has_the_class_that_a_reader_would_give_it(
    task: str, name: str, expected: str | None
) -> None:
    label = TASKS[task].labels(named(name))[0]
    wanted = -1 if expected is None else TASKS[task].classes.index(expected)
    assert label == wanted


def test_every_class_has_images_in_every_part_and_one_prompt() -> None:
    glyphs = load_glyphs()
    for name, task in TASKS.items():
        assert len(task.prompts) == len(set(task.prompts)) == len(task.classes)
        parts = ["train", "test"]
        if name != "digit":  # handwritten digits have a validation part of their own
            parts.append("validation")
        for part in parts:
            labels = task.labels(glyphs.part(part))
            assert set(labels) == {-1, *range(len(task.classes))}, (name, part)


def test_blocks_do_not_overlap_and_go_by_code_point() -> None:
    ends = sorted(BLOCKS.values())
    for (first, last), (next_first, _) in pairwise(ends):
        assert first <= last < next_first
    glyphs = load_glyphs()
    labels = TASKS["block"].labels(glyphs)
    braille = np.array([name.startswith("BRAILLE PATTERN") for name in glyphs.names])
    assert (labels[braille] == list(BLOCKS).index("BRAILLE PATTERNS")).all()
    assert (labels == list(BLOCKS).index("BRAILLE PATTERNS")).sum() == braille.sum()


def test_handwriting_stands_on_the_baseline_as_print_does() -> None:
    images, labels = handwritten_digits()
    assert images.dtype == np.uint8
    assert images.max() == 255
    assert np.bincount(labels).min() > 170
    assert images[:, 24:].max() == 0
    assert images[:, :6].max() == 0
    glyphs = load_glyphs()
    for word in ("THREE", "EIGHT"):
        printed = glyphs.images[glyphs.names.index(f"DIGIT {word}")]
        assert np.flatnonzero(printed.any(1)).max() == 23


def test_the_mean_handwritten_digit_of_a_class_looks_like_the_digit() -> None:
    """The nearest of the ten means is right for nearly nine of ten images."""
    images, labels = handwritten_digits()
    rows = images.reshape(len(images), -1).astype(float)
    means = np.stack([rows[labels == digit].mean(0) for digit in range(10)])
    nearest = ((rows[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == labels).mean() > 0.85


class PixelModel:
    """A model in the shape of CLIP that embeds by pixels and by tokens: fast, and no weights."""

    device = "cpu"

    def parameters(self):
        return iter(())

    def eval(self):
        return self

    def get_image_features(self, pixel_values):
        return SimpleNamespace(pooler_output=pixel_values.flatten(1)[:, 200:232] + 0.1)

    def get_text_features(self, input_ids):
        return SimpleNamespace(pooler_output=input_ids.float().repeat(1, 2) + 0.1)


@pytest.fixture(scope="module")
def embedded() -> dict[str, TaskEmbeddings]:
    return embed_tasks(PixelModel())[0]


def test_the_gap_of_training_pairs_comes_with_the_tasks() -> None:
    _, gap = embed_tasks(PixelModel())
    train = load_glyphs().part("train")
    images = unit(train.images[::4].reshape(-1, 1024)[:, 200:232] / 255 + 0.1)
    texts = unit(np.tile(caption_tokens(train.names)[::4], 2) + 0.1)
    assert gap == pytest.approx(images.mean(0) - texts.mean(0), abs=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_embedded_tasks_have_labels_and_class_texts(
    embedded: dict[str, TaskEmbeddings], name: str
) -> None:
    task = embedded[name]
    k = len(TASKS[name].classes)
    assert len(task.images) == len(task.labels) == len(task.groups)
    assert len(task.validation_images) == len(task.validation_labels)
    assert set(task.labels) == set(range(k))
    assert set(task.texts) == {"prompts", "names"}
    for texts in task.texts.values():
        assert texts.shape == (k, 32)
        np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)


def test_test_images_are_those_of_the_test_part(embedded: dict[str, TaskEmbeddings]) -> None:
    test = load_glyphs().part("test")
    belongs = TASKS["case"].labels(test) >= 0
    expected = unit(test.images[belongs].reshape(-1, 1024)[:, 200:232] / 255 + 0.1)
    np.testing.assert_allclose(embedded["case"].images, expected, atol=1e-5)


def test_digits_come_in_nine_stretches_and_characters_alone(
    embedded: dict[str, TaskEmbeddings],
) -> None:
    digit = embedded["digit"]
    assert len(digit.images) + len(digit.validation_images) == 1797
    assert set(np.bincount(digit.groups)) == {133, 134}
    assert (np.diff(digit.groups) >= 0).all()
    case = embedded["case"]
    assert (case.groups == np.arange(len(case.images))).all()

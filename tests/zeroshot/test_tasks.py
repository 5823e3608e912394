from itertools import pairwise

import numpy as np
import pytest

from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.zeroshot.tasks import BLOCKS, TASKS, embed_tasks, handwritten_digits


def named(*names: str) -> Glyphs:
    points = np.array([0x21 + i for i in range(len(names))])
    return Glyphs(
        np.zeros((len(names), 32, 32), np.uint8),
        list(names),
        points,
        np.array(["test"] * len(names)),
    )


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
    assert (TASKS[task].classes[label] if label >= 0 else None) == expected


def test_every_class_has_images_in_every_part_and_one_prompt() -> None:
    """Also for a choice on the validation part; handwritten digits bring their own."""
    glyphs = load_glyphs()
    for name, task in TASKS.items():
        assert len(task.prompts) == len(set(task.prompts)) == len(task.classes)
        for part in ("train", "test") if name == "digit" else ("train", "validation", "test"):
            labels = task.labels(glyphs.part(part))
            assert set(labels) == {-1, *range(len(task.classes))}, (name, part)


def test_blocks_do_not_overlap_and_go_by_code_point() -> None:
    ends = sorted(BLOCKS.values())
    assert all(a[0] <= a[1] < b[0] for a, b in pairwise(ends))
    glyphs = load_glyphs()
    labels = TASKS["block"].labels(glyphs)
    braille = np.array([name.startswith("BRAILLE PATTERN") for name in glyphs.names])
    assert (labels[braille] == list(BLOCKS).index("BRAILLE PATTERNS")).all()
    assert (labels == list(BLOCKS).index("BRAILLE PATTERNS")).sum() == braille.sum()


def test_handwriting_stands_on_the_baseline_as_print_does() -> None:
    """Means of a class look like the digit itself: the nearest mean is right for nine of ten images."""
    images, labels = handwritten_digits()
    assert images.dtype == np.uint8 and np.bincount(labels).min() > 170
    assert images[:, 24:].max() == 0 and images[:, :6].max() == 0 and images.max() == 255
    rows = images.reshape(len(images), -1).astype(float)
    means = np.stack([rows[labels == c].mean(0) for c in range(10)])
    nearest = ((rows[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == labels).mean() > 0.85
    print_ink = [
        load_glyphs().images[load_glyphs().names.index(f"DIGIT {w}")] for w in ("THREE", "EIGHT")
    ]
    assert all(np.flatnonzero(ink.any(1)).max() == 23 for ink in print_ink)


class Fake:
    """A model in the shape of CLIP that embeds by pixels and by token counts: fast, and no weights."""

    device = "cpu"

    def eval(self):
        return self

    def get_image_features(self, pixel_values):
        return type("Out", (), {"pooler_output": pixel_values.flatten(1)[:, 200:232] + 0.1})

    def get_text_features(self, input_ids):
        return type("Out", (), {"pooler_output": input_ids.float().repeat(1, 2) + 0.1})


def test_embedded_tasks_keep_parts_apart() -> None:
    tasks, gap = embed_tasks(Fake())
    assert set(tasks) == set(TASKS) and gap.shape == (32,)
    for name, task in tasks.items():
        k = len(TASKS[name].classes)
        assert len(task.images) == len(task.labels) and len(task.validation_images) == len(
            task.validation_labels
        )
        assert set(task.labels) == set(range(k)) and set(task.texts) == {"prompts", "names"}
        for texts in task.texts.values():
            assert texts.shape == (k, 32) and np.allclose(
                np.linalg.norm(texts, axis=1), 1, atol=1e-5
            )
    assert len(tasks["digit"].images) + len(tasks["digit"].validation_images) == 1797
    assert (
        set(np.bincount(tasks["digit"].groups)) == {133, 134}
        and (np.diff(tasks["digit"].groups) >= 0).all()
    )
    assert (tasks["case"].groups == np.arange(len(tasks["case"].images))).all()
    glyphs = load_glyphs().part("test")
    ink = (glyphs.images[TASKS["case"].labels(glyphs) >= 0].reshape(-1, 1024) / 255)[
        :, 200:232
    ] + 0.1
    assert np.allclose(
        tasks["case"].images, ink / np.linalg.norm(ink, axis=1, keepdims=True), atol=1e-5
    )

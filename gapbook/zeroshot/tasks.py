"""Classification tasks on real characters: labels from their official names, and handwritten digits as a far domain."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gapbook.glyphs import BASELINE, SIZE, Glyphs, caption_tokens, load_glyphs

DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "CANADIAN", "GEORGIAN", "HEBREW", "ARMENIAN")
WAYS = ("LEFTWARDS", "RIGHTWARDS", "UPWARDS", "DOWNWARDS")
WRITERS = 9  # of the 13 whose digits scikit-learn has, about as many wrote the last two thirds
BLOCKS = {  # of the Unicode standard: name, first and last code point
    "ARROWS": (0x2190, 0x21FF),
    "MATHEMATICAL OPERATORS": (0x2200, 0x22FF),
    "MISCELLANEOUS TECHNICAL": (0x2300, 0x23FF),
    "BOX DRAWING": (0x2500, 0x257F),
    "GEOMETRIC SHAPES": (0x25A0, 0x25FF),
    "MISCELLANEOUS SYMBOLS": (0x2600, 0x26FF),
    "DINGBATS": (0x2700, 0x27BF),
    "BRAILLE PATTERNS": (0x2800, 0x28FF),
    "YIJING HEXAGRAM SYMBOLS": (0x4DC0, 0x4DFF),
    "TAI XUAN JING SYMBOLS": (0x1D300, 0x1D35F),
    "DOMINO TILES": (0x1F030, 0x1F09F),
    "PLAYING CARDS": (0x1F0A0, 0x1F0FF),
}


@dataclass(frozen=True)
class Task:
    """A classification task: its classes, one prompt a class, and the class of a character by name and code point."""

    classes: tuple[str, ...]
    prompts: tuple[str, ...]
    find: Callable[[str, int], str | None]

    def labels(self, glyphs: Glyphs) -> np.ndarray:
        """Return the class of each character, from 0, and -1 for one that does not belong to the task: int64 (n,)."""
        number = {name: i for i, name in enumerate(self.classes)}
        found = zip(glyphs.names, glyphs.codepoints.tolist(), strict=True)
        return np.array(
            [number.get(self.find(name, point) or "", -1) for name, point in found], dtype=np.int64
        )


def _by_name(pattern: str, name: str, codepoint: int) -> str | None:
    """Return what the pattern's group matches; None unless all its matches agree."""
    found = set(re.findall(pattern, name))
    return found.pop() if len(found) == 1 else None


def _by_block(name: str, codepoint: int) -> str | None:
    return next(
        (block for block, (first, last) in BLOCKS.items() if first <= codepoint <= last), None
    )


def _task(pattern: str, classes: tuple[str, ...], prompt: str) -> Task:
    return Task(classes, tuple(prompt.format(name) for name in classes), partial(_by_name, pattern))


TASKS = {
    "case": _task(r"^\w+ (CAPITAL|SMALL) LETTER ", ("CAPITAL", "SMALL"), "{} LETTER"),
    "script": _task(rf"^({'|'.join(SCRIPTS)})\b.* (?:LETTER|SYLLABICS) ", SCRIPTS, "{} LETTER"),
    "letter": _task(
        r"^LATIN (?:CAPITAL|SMALL) LETTER ([A-Z])(?: WITH .*)?$", tuple("ACDEFIJLMNORSTUVWYZ"), "LATIN LETTER {}"
    ),
    "block": Task(tuple(BLOCKS), tuple(BLOCKS), _by_block),
    "arrow": _task(r"\b((?:LEFT|RIGHT|UP|DOWN)WARDS)\b(?=.*\bARROW)", WAYS, "{} ARROW"),
    "digit": _task(rf"\bDIGIT ({'|'.join(DIGITS)})\b", DIGITS, "DIGIT {}"),
}  # fmt: skip


def handwritten_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the handwritten digits of scikit-learn as characters: images (1797, 32, 32) uint8, ink 255, and labels.

    Each 8 x 8 image is enlarged to the height of the font's digits, on their baseline: a domain that no model here has
    seen. Neighbors in the list come from one writer.

    >>> images, labels = handwritten_digits()
    >>> images.shape, labels[:5].tolist(), int(images[:, 24:].max())
    ((1797, 32, 32), [0, 1, 2, 3, 4], 0)
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    data, height = load_digits(), 18
    images = np.zeros((len(data.images), SIZE, SIZE), dtype=np.uint8)
    left = (SIZE - height) // 2
    for image, ink in zip(images, data.images, strict=True):
        small = Image.fromarray((ink * 255 / 16).astype(np.uint8))
        drawn = np.asarray(small.resize((height, height), Image.Resampling.BICUBIC))
        image[BASELINE - height : BASELINE, left : left + height] = drawn
    return images, data.target.astype(np.int64)


class TaskEmbeddings(NamedTuple):
    """A task as a model sees it: unit rows of images with labels, for a choice and for the report, and class texts.

    ``groups`` (n,) says which images of the report belong together: a writer's digits, else each is its own. ``texts``
    has "prompts", the one prompt a class, and "names", the mean of all training names of the class.
    """

    images: np.ndarray
    labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    texts: dict[str, np.ndarray]
    groups: np.ndarray


def embed_tasks(model: Any) -> tuple[dict[str, TaskEmbeddings], np.ndarray]:
    """Embed all tasks by a GlyphCLIP; return them by name, and the gap vector of the training pairs (64,).

    Labelled characters are held-out ones for the report and those of the validation part for a choice; digits are
    handwritten, the first third of them for a choice; who wrote which is not recorded, so that their groups are nine
    equal stretches of the list, a proxy for writers. The gap vector is that of every fourth training pair.
    """
    from gapbook.encoders.clip import embed_images, embed_texts

    glyphs, (ink, digits) = load_glyphs(), handwritten_digits()
    parts = {part: glyphs.part(part) for part in ("validation", "test")}
    train = glyphs.part("train")
    names = embed_texts(model, caption_tokens(train.names))
    seen = {
        part: embed_images(model, characters.images.copy()) for part, characters in parts.items()
    }
    written, third = embed_images(model, ink), len(ink) // 3
    ninths = np.arange(len(ink) - third) * WRITERS // (len(ink) - third)
    tasks = {}
    for key, task in TASKS.items():
        own = task.labels(train)
        means = np.stack([names[own == c].mean(0) for c in range(len(task.classes))])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        texts = {"prompts": embed_texts(model, caption_tokens(task.prompts)), "names": means}
        if key == "digit":
            tasks[key] = TaskEmbeddings(
                written[third:], digits[third:], written[:third], digits[:third], texts, ninths
            )
            continue
        labels = {part: task.labels(characters) for part, characters in parts.items()}
        rows = {part: labels[part] >= 0 for part in parts}
        (x, of), (held, known) = (
            (seen[part][rows[part]], labels[part][rows[part]]) for part in ("test", "validation")
        )
        tasks[key] = TaskEmbeddings(x, of, held, known, texts, np.arange(len(x)))
    gap = embed_images(model, train.images[::4].copy()).mean(0) - names[::4].mean(0)
    return tasks, gap

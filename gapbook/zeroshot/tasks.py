"""Classification tasks on characters, labeled by their official names, and handwritten digits."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapbook.glyphs import BASELINE, SIZE, Glyphs, caption_tokens, load_glyphs

if TYPE_CHECKING:
    from gapbook.encoders.glyphclip import GlyphCLIP

DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")
SCRIPTS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "CANADIAN", "GEORGIAN", "HEBREW", "ARMENIAN")
ARROW_DIRECTIONS = ("LEFTWARDS", "RIGHTWARDS", "UPWARDS", "DOWNWARDS")
LATIN_LETTERS = tuple("ACDEFIJLMNORSTUVWYZ")  # those with images in every part of the split
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
# scikit-learn has digits of 13 writers; about as many wrote the last two thirds
WRITERS = 9
DIGIT_HEIGHT = 18  # pixels, as high as the digits of the font


@dataclass(frozen=True)
class Task:
    """A classification task on characters.

    Attributes
    ----------
    classes : tuple of str
        The names of the classes.
    prompts : tuple of str
        The class texts, one a class.
    find : callable
        Returns the class of a character by its official name and its code point, or None.
    """

    classes: tuple[str, ...]
    prompts: tuple[str, ...]
    find: Callable[[str, int], str | None]

    def labels(self, glyphs: Glyphs) -> np.ndarray:
        """Return the class of each character.

        Parameters
        ----------
        glyphs : Glyphs
            The n characters.

        Returns
        -------
        ndarray of int64, shape (n,)
            The position of the class, from 0, and -1 for a character that does not belong to the
            task.
        """
        position = {name: i for i, name in enumerate(self.classes)}
        characters = zip(glyphs.names, glyphs.codepoints.tolist(), strict=True)
        classes = [self.find(name, codepoint) for name, codepoint in characters]
        return np.array([position.get(name or "", -1) for name in classes], dtype=np.int64)


def _by_name(pattern: str, name: str, codepoint: int) -> str | None:
    """Return what the pattern's group matches; None unless all its matches agree."""
    matches = set(re.findall(pattern, name))
    return matches.pop() if len(matches) == 1 else None


def _by_block(name: str, codepoint: int) -> str | None:
    """Return the Unicode block of the code point, if it is one of ``BLOCKS``."""
    for block, (first, last) in BLOCKS.items():
        if first <= codepoint <= last:
            return block
    return None


def _task_by_name(pattern: str, classes: tuple[str, ...], prompt: str) -> Task:
    """Return a task whose classes the pattern finds in names; the prompt has {} for the class."""
    prompts = tuple(prompt.format(name) for name in classes)
    return Task(classes, prompts, partial(_by_name, pattern))


TASKS = {
    "case": _task_by_name(
        r"^\w+ (CAPITAL|SMALL) LETTER ", classes=("CAPITAL", "SMALL"), prompt="{} LETTER"
    ),
    "script": _task_by_name(
        rf"^({'|'.join(SCRIPTS)})\b.* (?:LETTER|SYLLABICS) ", classes=SCRIPTS, prompt="{} LETTER"
    ),
    "letter": _task_by_name(
        r"^LATIN (?:CAPITAL|SMALL) LETTER ([A-Z])(?: WITH .*)?$",
        classes=LATIN_LETTERS,
        prompt="LATIN LETTER {}",
    ),
    "block": Task(tuple(BLOCKS), tuple(BLOCKS), _by_block),
    "arrow": _task_by_name(
        r"\b((?:LEFT|RIGHT|UP|DOWN)WARDS)\b(?=.*\bARROW)",
        classes=ARROW_DIRECTIONS,
        prompt="{} ARROW",
    ),
    "digit": _task_by_name(rf"\bDIGIT ({'|'.join(DIGITS)})\b", classes=DIGITS, prompt="DIGIT {}"),
}


def handwritten_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the handwritten digits of scikit-learn, drawn as characters.

    Returns
    -------
    images : ndarray of uint8, shape (1797, 32, 32)
        The images, with 255 for ink. Each 8 x 8 image is enlarged to the height of the font's
        digits and stands on their baseline.
    labels : ndarray of int64, shape (1797,)
        The digits.

    Notes
    -----
    The images are a domain that no model here has seen. Neighbors in the list come from one writer.

    Examples
    --------
    >>> images, labels = handwritten_digits()
    >>> images.shape, labels[:5].tolist(), int(images[:, 24:].max())
    ((1797, 32, 32), [0, 1, 2, 3, 4], 0)
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.zeros((len(data.images), SIZE, SIZE), dtype=np.uint8)
    top = BASELINE - DIGIT_HEIGHT
    left = (SIZE - DIGIT_HEIGHT) // 2
    for image, ink in zip(images, data.images, strict=True):
        small = Image.fromarray((ink * 255 / 16).astype(np.uint8))
        large = small.resize((DIGIT_HEIGHT, DIGIT_HEIGHT), Image.Resampling.BICUBIC)
        image[top:BASELINE, left : left + DIGIT_HEIGHT] = np.asarray(large)
    return images, data.target.astype(np.int64)


class TaskEmbeddings(NamedTuple):
    """A task as a model sees it; all embeddings are unit rows.

    Attributes
    ----------
    images : ndarray of shape (n, d)
        The images of the test part.
    labels : ndarray of integers, shape (n,)
        The class of each of them.
    validation_images : ndarray of shape (v, d)
        The images of the validation part, for choosing an amount of shift.
    validation_labels : ndarray of integers, shape (v,)
        The class of each of them.
    texts : dict of str to ndarray of shape (k, d)
        The class texts: "prompts" has the one prompt of each class, "names" the mean of all
        training names of the class.
    groups : ndarray of integers, shape (n,)
        The images of the test part that belong together: the digits of one writer. In other tasks
        each image is a group of its own.
    """

    images: np.ndarray
    labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    texts: dict[str, np.ndarray]
    groups: np.ndarray


def embed_tasks(model: "GlyphCLIP") -> tuple[dict[str, TaskEmbeddings], np.ndarray]:
    """Embed all tasks by a GlyphCLIP.

    Parameters
    ----------
    model : GlyphCLIP
        A model, such as ``load_glyphclip`` returns.

    Returns
    -------
    tasks : dict of str to TaskEmbeddings
        The tasks by name.
    gap : ndarray of shape (64,)
        The gap vector of every fourth training pair.

    Notes
    -----
    The test part has the characters of the test split, the validation part those of the validation
    split. The digits are handwritten, and their validation part is the first third of the list. Who
    wrote which digit is not recorded. So the groups of the others are nine equal stretches of the
    list, which stand in for writers.
    """
    from gapbook.encoders.clip import embed_images, embed_texts

    glyphs = load_glyphs()
    train = glyphs.part("train")
    train_names = embed_texts(model, caption_tokens(train.names))
    test = _EmbeddedPart(model, glyphs.part("test"))
    validation = _EmbeddedPart(model, glyphs.part("validation"))
    tasks = {}
    for name, task in TASKS.items():
        texts = {
            "prompts": embed_texts(model, caption_tokens(task.prompts)),
            "names": _class_means(train_names, task.labels(train), len(task.classes)),
        }
        if name == "digit":
            tasks[name] = _embed_digits(model, texts)
        else:
            images, labels = test.of(task)
            groups = np.arange(len(images))
            tasks[name] = TaskEmbeddings(images, labels, *validation.of(task), texts, groups)
    train_images = embed_images(model, train.images[::4].copy())
    return tasks, train_images.mean(0) - train_names[::4].mean(0)


class _EmbeddedPart:
    """The characters of one part of the split, embedded once for all tasks."""

    def __init__(self, model: "GlyphCLIP", glyphs: Glyphs) -> None:
        from gapbook.encoders.clip import embed_images

        self.glyphs = glyphs
        self.images = embed_images(model, glyphs.images.copy())

    def of(self, task: Task) -> tuple[np.ndarray, np.ndarray]:
        """Return the images that belong to a task, and their labels."""
        labels = task.labels(self.glyphs)
        belongs = labels >= 0
        return self.images[belongs], labels[belongs]


def _class_means(rows: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return the mean row of each of k classes, at unit length."""
    means = np.stack([rows[labels == c].mean(0) for c in range(k)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def _embed_digits(model: "GlyphCLIP", texts: dict[str, np.ndarray]) -> TaskEmbeddings:
    """Embed the handwritten digits: the first third for validation, the others in nine groups."""
    from gapbook.encoders.clip import embed_images

    ink, labels = handwritten_digits()
    images = embed_images(model, ink)
    third = len(images) // 3
    n = len(images) - third
    groups = np.arange(n) * WRITERS // n
    return TaskEmbeddings(
        images[third:], labels[third:], images[:third], labels[:third], texts, groups
    )

"""GlyphPairs: real image-caption pairs that need no download.

The images are the characters of DejaVu Sans, a font that ships with Matplotlib; the captions are
their official Unicode names. Captions are compositional, so an unseen character has a caption made
of seen words.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from gapbook.encoders.inputs import check_captions
from gapbook.files import data_path

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

# Pixels a side: small enough to train on in a minute, large enough to tell accents apart.
SIZE = 32

# Tokens a caption, start and end included: few names are longer.
LENGTH = 16

# The row on which all characters stand, which leaves a quarter of the image for what hangs below.
BASELINE = 24

# The font size of all characters, in pixels: one scale, so that letter case shows.
POINTS = 24

# The first typeface is the one that models are tested on; the others are augmentation.
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique")

# A word of the vocabulary stands in at least so many training captions; rarer ones are spelled.
MIN_CAPTIONS_PER_WORD = 3

# How steeply a neighbor's weight grows with its cosine: the best of a small grid on validation.
NEIGHBOR_SHARPNESS = 30.0


@dataclass(frozen=True)
class Glyphs:
    """Characters in one typeface, with their captions.

    Attributes
    ----------
    images : array of shape (n, 32, 32), uint8
        The drawn characters, ink 255.
    names : list of str
        Their captions.
    codepoints : array of shape (n,), int
        Their code points.
    split : array of shape (n,), str
        To which part each belongs: "train", "validation" or "test".
    """

    images: np.ndarray
    names: list[str]
    codepoints: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def part(self, name: str) -> "Glyphs":
        """Return the characters of one part of the split.

        Parameters
        ----------
        name : {"train", "validation", "test"}
            The part.

        Raises
        ------
        ValueError
            If there is no such part.
        """
        rows = np.flatnonzero(self.split == name)
        if not len(rows):
            raise ValueError(f'Expected one of "train", "validation", "test"; got {name!r}')
        return self.subset(rows)

    def subset(self, rows: Sequence[int] | np.ndarray) -> "Glyphs":
        """Return some of the characters.

        Parameters
        ----------
        rows : sequence of int
            Which, and in which order.

        Examples
        --------
        >>> load_glyphs().subset([34, 33]).names
        ['LATIN CAPITAL LETTER C', 'LATIN CAPITAL LETTER B']
        """
        chosen = np.asarray(rows, int)
        names = [self.names[row] for row in chosen]
        return Glyphs(self.images[chosen], names, self.codepoints[chosen], self.split[chosen])


def split(codepoint: int) -> Literal["train", "validation", "test"]:
    """Say to which part a character belongs, by a fixed hash of its code point.

    About 70 % of all characters are for training, 10 % for validation and 20 % for testing.

    Parameters
    ----------
    codepoint : int
        The character's Unicode number.

    Examples
    --------
    >>> [split(ord(c)) for c in "AEF"]
    ['train', 'validation', 'test']
    """
    digest = sha256(str(codepoint).encode()).digest()
    uniform = int.from_bytes(digest[:8], "big") / 2**64
    if uniform < 0.7:
        return "train"
    if uniform < 0.8:
        return "validation"
    return "test"


@cache
def characters() -> pd.DataFrame:
    """Read the bundled list of characters.

    Returns
    -------
    DataFrame with columns codepoint (int), split, name
        One row a character, in the order of code points.

    Examples
    --------
    >>> characters().shape
    (5573, 3)
    """
    return pd.read_csv(
        data_path("glyphpairs/characters.tsv"),
        sep="\t",
        encoding="utf-8",
        keep_default_na=False,
        converters={"codepoint": lambda digits: int(digits, 16)},
    )


def font_path(face: str) -> str:
    """Return the path of a font that ships with Matplotlib.

    Parameters
    ----------
    face : str
        The name of its file, such as "DejaVuSans".

    Raises
    ------
    ValueError
        If Matplotlib has no such typeface; the message lists those there are.
    """
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("DejaVu*.ttf")))
        raise ValueError(
            f"Expected a typeface that ships with Matplotlib; got {face!r}; there are {known}"
        )
    return str(path)


@cache
def _font(face: str, points: float) -> "FreeTypeFont":
    """Load one typeface of DejaVu at one size."""
    from PIL import ImageFont

    return ImageFont.truetype(font_path(face), points, layout_engine=ImageFont.Layout.BASIC)


def render(char: str, face: str = "DejaVuSans") -> np.ndarray:
    """Draw one character, centered sideways, and shrunk only where it would overflow.

    Parameters
    ----------
    char : str
        One character.
    face : str
        A font that ships with Matplotlib, by the name of its file.

    Returns
    -------
    array of shape (32, 32), uint8
        The image: ink 255 on 0.

    Raises
    ------
    ValueError
        If Matplotlib has no such typeface; the message lists those there are.

    Examples
    --------
    >>> image = render("A")
    >>> image.shape, int(image.max()), int(image[25:].sum())  # nothing below the baseline
    ((32, 32), 255, 0)
    """
    from PIL import Image, ImageDraw

    font = _font(face, POINTS)
    left, top, right, bottom = font.getbbox(char, anchor="ls")
    width_left = SIZE / max(right - left, 1)
    height_left = BASELINE / max(-top, 1)
    depth_left = (SIZE - BASELINE) / max(bottom, 1)
    shrink = min(width_left, height_left, depth_left, 1)
    if shrink < 1:
        font = _font(face, int(POINTS * shrink))
        left, top, right, bottom = font.getbbox(char, anchor="ls")
    canvas = Image.new("L", (SIZE, SIZE))
    place = ((SIZE - right - left) // 2, BASELINE)
    ImageDraw.Draw(canvas).text(place, char, fill=255, font=font, anchor="ls")
    return np.asarray(canvas)


@cache
def _supported(face: str) -> frozenset[int]:
    """Return the code points that a typeface has a drawing of."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font(face, POINTS).path).get_charmap())


@cache
def load_glyphs(face: str = "DejaVuSans") -> Glyphs:
    """Draw all characters that a typeface has, in the order of their code points.

    Parameters
    ----------
    face : str
        A font that ships with Matplotlib, by the name of its file.

    Examples
    --------
    >>> glyphs = load_glyphs()
    >>> len(glyphs), glyphs.names[33], glyphs.images.shape
    (5573, 'LATIN CAPITAL LETTER B', (5573, 32, 32))
    """
    table = characters()
    table = table[table["codepoint"].isin(_supported(face))]
    images = np.stack([render(chr(c), face) for c in table["codepoint"]])
    # All callers get the same arrays, since they are kept.
    images.flags.writeable = False
    return Glyphs(
        images,
        table["name"].to_list(),
        table["codepoint"].to_numpy(),
        table["split"].to_numpy(),
    )


def all_faces(glyphs: Glyphs, faces: Sequence[str] = FACES) -> np.ndarray:
    """Draw the same characters in several typefaces.

    Parameters
    ----------
    glyphs : Glyphs
        The characters, in the first typeface.
    faces : sequence of str
        Their typefaces. One that lacks a character keeps the image of the first.

    Returns
    -------
    array of shape (n_faces, n, 32, 32), uint8
        The images, by typeface and by character.
    """
    stack = np.repeat(glyphs.images[None], len(faces), axis=0)
    for drawn, face in zip(stack[1:], faces[1:], strict=True):
        other = load_glyphs(face)
        _, here, there = np.intersect1d(glyphs.codepoints, other.codepoints, return_indices=True)
        drawn[here] = other.images[there]
    return stack


def first_words(glyphs: Glyphs, words: int = 1) -> Glyphs:
    """Cut each caption to its first words, so that it says less than the image shows.

    Parameters
    ----------
    glyphs : Glyphs
        The characters.
    words : int
        How many words to keep; several characters then share a caption.

    Examples
    --------
    >>> first_words(load_glyphs(), 2).names[33]
    'LATIN CAPITAL'
    """
    return replace(glyphs, names=[" ".join(name.split()[:words]) for name in glyphs.names])


def share_image_by_caption(glyphs: Glyphs) -> Glyphs:
    """Give all characters that share a caption the same image, that of the first one.

    So images carry no more information than captions. The result has no code points (all are -1),
    so that ``all_faces`` finds no other typeface of these images.

    Parameters
    ----------
    glyphs : Glyphs
        The characters, several to a caption.
    """
    _, first, caption = np.unique(glyphs.names, return_index=True, return_inverse=True)
    no_codepoints = np.full(len(glyphs), -1)
    return replace(glyphs, images=glyphs.images[first[caption]], codepoints=no_codepoints)


def _words(name: str) -> list[str]:
    """Split a caption into words and single digits."""
    return re.findall(r"[A-Z]+|[0-9]", name)


@cache
def vocabulary() -> dict[str, int]:
    """Give each token of captions a number.

    Padding is 0 and start 1; then come the 36 letters and digits, and the words that stand in at
    least 3 training captions; the end token is last. Having the largest number, it is found by both
    of the ways in which transformers looks for the position to pool.

    Examples
    --------
    >>> v = vocabulary()
    >>> v["<pad>"], v["<end>"] == len(v) - 1, "GREEK" in v
    (0, True, True)
    """
    table = characters()
    counts: Counter[str] = Counter()
    for name in table["name"][table["split"] == "train"]:
        counts.update(set(_words(name)))
    words = sorted(
        word
        for word, captions in counts.items()
        if captions >= MIN_CAPTIONS_PER_WORD and len(word) > 1
    )
    tokens = ["<pad>", "<start>", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *words, "<end>"]
    return {token: number for number, token in enumerate(tokens)}


def caption_tokens(names: Sequence[str]) -> np.ndarray:
    """Turn captions into token numbers.

    A word outside the vocabulary is spelled letter by letter, and characters other than A to Z and
    digits are left out; a long caption is cut.

    Parameters
    ----------
    names : sequence of str
        The captions.

    Returns
    -------
    array of shape (n, 16), int64
        Start, words, end, then padding (0).

    Raises
    ------
    PairsError
        For what ``gapbook.encoders.inputs.check_captions`` refuses, such as a single string.

    Examples
    --------
    >>> tokens = caption_tokens(["GREEK SMALL LETTER ALPHA", "SNOWMAN"])
    >>> tokens.shape
    (2, 16)
    >>> (tokens > 0).sum(axis=1).tolist()  # start + 4 words + end; start + 7 letters + end
    [6, 9]
    """
    names = check_captions(names)
    numbers = vocabulary()
    tokens = np.zeros((len(names), LENGTH), dtype=np.int64)
    for row, name in zip(tokens, names, strict=True):
        caption: list[int] = []
        for word in _words(name.upper()):
            pieces = [word] if word in numbers else list(word)
            caption += [numbers[piece] for piece in pieces]
        caption = [numbers["<start>"], *caption[: LENGTH - 2], numbers["<end>"]]
        row[: len(caption)] = caption
    return tokens


def retrieval_ceiling(images: np.ndarray) -> float:
    r"""Return the best R@1 that any model of the images can expect.

    Latin A and Greek Alpha look the same under two names, so no model can tell which of the
    captions was meant: a group of m identical images shares one hit.

    Parameters
    ----------
    images : array of shape (n, h, w)
        The images, each with a caption of its own.

    Returns
    -------
    float
        The number of different images over n, at most 1.

    Examples
    --------
    >>> alpha = "\N{GREEK CAPITAL LETTER ALPHA}"
    >>> retrieval_ceiling(np.stack([render(char) for char in ("A", alpha, "B", "C")]))
    0.75
    """
    return len(np.unique(images.reshape(len(images), -1), axis=0)) / len(images)


def nearest_neighbor_pairs(
    train: Glyphs, test: Glyphs, k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Embed test images and captions with no learning: a baseline for retrieval.

    Parameters
    ----------
    train : Glyphs
        The characters whose images and captions are known.
    test : Glyphs
        The characters to embed.
    k : int
        How many neighbors an image has. 20 is the best of a small grid on the validation part.

    Returns
    -------
    tuple of two arrays of shape (n_test, n_words + 1)
        The images and the captions, not of unit length.

    Notes
    -----
    A caption becomes its tf-idf vector. An image becomes the average of those of the names of the k
    training images nearest to it in the cosine of their pixels, weighted by ``exp(30 * cosine)``.
    The last dimension is 1 for a caption of unseen words alone, which is equally far from every
    image.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    tfidf = TfidfVectorizer(token_pattern=r"[^ -]+", lowercase=False).fit(train.names)
    similar = cosine_similarity(_pixel_rows(test), _pixel_rows(train))
    far = similar < np.partition(similar, -k, axis=1)[:, [-k]]
    weights = np.where(far, 0, np.exp(NEIGHBOR_SHARPNESS * similar))
    x = weights @ tfidf.transform(train.names)
    y = tfidf.transform(test.names).toarray()
    unseen = ~y.any(axis=1, keepdims=True)
    return np.hstack([x, np.zeros_like(unseen)]), np.hstack([y, unseen])


def _pixel_rows(glyphs: Glyphs) -> np.ndarray:
    """Return each image as one row of pixels."""
    return glyphs.images.reshape(len(glyphs), -1).astype(np.float32)

"""GlyphPairs: real image-caption pairs that need no download.

The images are the characters of DejaVu Sans, a font that ships with Matplotlib; the captions are their official
Unicode names. Captions are compositional, so an unseen character has a caption made of seen words.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

SIZE = 32  # pixels a side
LENGTH = 16  # tokens a caption
BASELINE, POINTS = (
    24,
    24,
)  # one scale and one baseline for all characters, so that letter case shows
FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique")


@dataclass(frozen=True)
class Glyphs:
    """Characters of one font face: ``images (n, 32, 32)`` uint8 with ink 255, names, code points, split."""

    images: np.ndarray
    names: list[str]
    codepoints: np.ndarray
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def part(self, name: str) -> "Glyphs":
        """Return the characters of one part of the split: "train", "validation" or "test"."""
        keep = np.flatnonzero(self.split == name)
        if not len(keep):
            raise ValueError(f'Expected one of "train", "validation", "test"; got {name!r}')
        return Glyphs(
            self.images[keep],
            [self.names[i] for i in keep],
            self.codepoints[keep],
            self.split[keep],
        )


def split(codepoint: int) -> str:
    """Say to which part a character belongs, by a fixed hash of its code point: 70 % train, 10 % validation, 20 % test.

    >>> [split(ord(c)) for c in "AEF"]
    ['train', 'validation', 'test']
    """
    u = int.from_bytes(sha256(str(codepoint).encode()).digest()[:8], "big") / 2**64
    return "train" if u < 0.7 else "validation" if u < 0.8 else "test"


@cache
def characters() -> pd.DataFrame:
    """Read the bundled list of characters: columns ``codepoint`` (int), ``split``, ``name``.

    >>> characters().shape
    (5573, 3)
    """
    with (files("gapbook.data") / "glyphpairs" / "characters.tsv").open(encoding="utf-8") as file:
        table = pd.read_csv(
            file, sep="\t", keep_default_na=False, converters={"codepoint": lambda h: int(h, 16)}
        )
    return table


@cache
def _font(face: str, points: float):  # type: ignore[no-untyped-def]
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("DejaVu*.ttf"))
        raise ValueError(
            f"Expected a face that ships with Matplotlib; got {face!r}; there are {', '.join(known)}"
        )
    return ImageFont.truetype(str(path), points, layout_engine=ImageFont.Layout.BASIC)


def render(char: str, face: str = "DejaVuSans") -> np.ndarray:
    """Draw one character as a (32, 32) uint8 image, ink 255, centered sideways, shrunk only where it overflows.

    >>> image = render("A")
    >>> image.shape, int(image.max()), int(image[25:].sum())  # nothing below the baseline
    ((32, 32), 255, 0)
    """
    from PIL import Image, ImageDraw

    points: float = POINTS
    left, top, right, bottom = _font(face, points).getbbox(char, anchor="ls")
    room = min(
        SIZE / max(right - left, 1), BASELINE / max(-top, 1), (SIZE - BASELINE) / max(bottom, 1), 1
    )
    if room < 1:  # too wide, too tall or too deep for the canvas
        points = int(POINTS * room)
        left, top, right, bottom = _font(face, points).getbbox(char, anchor="ls")
    canvas = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(canvas).text(
        ((SIZE - right - left) // 2, BASELINE),
        char,
        fill=255,
        font=_font(face, points),
        anchor="ls",
    )
    return np.asarray(canvas)


@cache
def _supported(face: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font(face, POINTS).path).get_charmap())


@cache
def load_glyphs(face: str = "DejaVuSans") -> Glyphs:
    """Draw all characters that ``face`` has, in the order of their code points.

    >>> glyphs = load_glyphs()
    >>> len(glyphs), glyphs.names[33], glyphs.images.shape
    (5573, 'LATIN CAPITAL LETTER B', (5573, 32, 32))
    """
    table = characters()
    table = table[table["codepoint"].isin(_supported(face))]
    images = np.stack([render(chr(c), face) for c in table["codepoint"]])
    images.flags.writeable = False
    return Glyphs(
        images, table["name"].to_list(), table["codepoint"].to_numpy(), table["split"].to_numpy()
    )


def all_faces(glyphs: Glyphs, faces: Sequence[str] = FACES) -> np.ndarray:
    """Stack the same characters in several faces, ``(n_faces, n, 32, 32)``; a face that lacks one keeps the first's."""
    stack = np.repeat(glyphs.images[None], len(faces), axis=0)
    for drawn, face in zip(stack[1:], faces[1:], strict=True):
        other = load_glyphs(face)
        _, here, there = np.intersect1d(glyphs.codepoints, other.codepoints, return_indices=True)
        drawn[here] = other.images[there]
    return stack


def first_words(glyphs: Glyphs, words: int = 1) -> Glyphs:
    """Cut each caption to its first words, so that it says less than the image shows and others share it.

    >>> first_words(load_glyphs(), 2).names[33]
    'LATIN CAPITAL'
    """
    return replace(glyphs, names=[" ".join(name.split()[:words]) for name in glyphs.names])


def one_image_a_caption(glyphs: Glyphs) -> Glyphs:
    """Give all characters of one caption the image of the first of them, in one face, so that it shows no more."""
    _, first, caption = np.unique(glyphs.names, return_index=True, return_inverse=True)
    nowhere = np.full(len(glyphs), -1)  # no code point, so that ``all_faces`` finds no other face
    return replace(glyphs, images=glyphs.images[first[caption]], codepoints=nowhere)


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]+|[0-9]", name)


@cache
def vocabulary() -> dict[str, int]:
    """Number the tokens: padding 0, start 1, the 36 letters and digits, words of 3 or more training captions, end last.

    The end token has the largest number, so both of transformers' ways to find the pooled position agree.

    >>> v = vocabulary()
    >>> v["<pad>"], v["<end>"] == len(v) - 1, "GREEK" in v
    (0, True, True)
    """
    table = characters()
    counts = Counter(
        w for name in table["name"][table["split"] == "train"] for w in set(_words(name))
    )
    words = sorted(w for w, n in counts.items() if n >= 3 and len(w) > 1)
    tokens = ["<pad>", "<start>", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *words, "<end>"]
    return {token: i for i, token in enumerate(tokens)}


def caption_tokens(names: Sequence[str]) -> np.ndarray:
    """Turn captions into token numbers ``(n, 16)``; a word outside the vocabulary is spelled, a long caption is cut.

    >>> tokens = caption_tokens(["GREEK SMALL LETTER ALPHA", "SNOWMAN"])
    >>> tokens.shape, (tokens > 0).sum(axis=1).tolist()  # start + 4 words + end; start + 7 letters + end
    ((2, 16), [6, 9])
    """
    v = vocabulary()
    tokens = np.zeros((len(names), LENGTH), dtype=np.int64)
    for row, name in zip(tokens, names, strict=True):
        ids = [v[t] for word in _words(name.upper()) for t in ([word] if word in v else word)]
        ids = [v["<start>"], *ids[: LENGTH - 2], v["<end>"]]
        row[: len(ids)] = ids
    return tokens


def retrieval_ceiling(images: np.ndarray) -> float:
    """Return the best R@1 that any model of the images can expect: a group of m identical images shares one hit.

    Latin A and Greek Alpha look the same under two names, so no model can tell which of the captions was meant.

    >>> retrieval_ceiling(np.stack([render("A"), render("\\N{GREEK CAPITAL LETTER ALPHA}"), render("B"), render("C")]))
    0.75
    """
    return len(np.unique(images.reshape(len(images), -1), axis=0)) / len(images)


def nearest_neighbor_pairs(
    train: Glyphs, test: Glyphs, k: int = 1, sharpness: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """Embed test images and captions with no learning: a baseline for retrieval. Returns two arrays (n_test, n_words).

    A caption becomes its tf-idf vector, an image the average of those of the names of the k training images nearest to
    it in the cosine of their pixels, weighted by exp(sharpness * cosine). k = 20 and 30 are the best of a small grid on
    the validation part. The last dimension is 1 for a caption of unseen words alone: equally far from every image.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics.pairwise import cosine_similarity

    tfidf = TfidfVectorizer(token_pattern=r"[^ -]+", lowercase=False).fit(train.names)
    similar = cosine_similarity(
        *(g.images.reshape(len(g), -1).astype(np.float32) for g in (test, train))
    )
    far = similar < np.partition(similar, -k, axis=1)[:, [-k]]
    weights = np.where(far, 0, np.exp(sharpness * similar))
    x, y = weights @ tfidf.transform(train.names), tfidf.transform(test.names).toarray()
    unseen = ~y.any(axis=1, keepdims=True)
    return np.hstack([x, np.zeros_like(unseen)]), np.hstack([y, unseen])

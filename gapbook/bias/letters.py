"""A case of bias that can be looked into: letters of eight scripts that are called a symbol.

The scripts are the groups, and "symbol" is the label that no letter should get. A class text is the
mean of the names of a class.
"""

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapbook.geometry import gap_vector
from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs
from gapbook.pairs import PairedEmbeddings
from gapbook.zeroshot.tasks import SCRIPTS, TASKS

if TYPE_CHECKING:
    from gapbook.encoders.glyphclip import GlyphCLIP

SYMBOL = "SYMBOL"
# what a letter can be called: its script, another one, or a symbol
LETTER_LABELS = (*SCRIPTS, SYMBOL)


class Letters(NamedTuple):
    """Held-out letters as a model sees them.

    Attributes
    ----------
    images : ndarray of shape (n, d)
        The embeddings of the letters.
    scripts : ndarray of str, shape (n,)
        The script of each letter, one of ``SCRIPTS``.
    texts : ndarray of shape (9, d)
        The class texts, in the order of ``LETTER_LABELS``, not of unit length.
    gap : ndarray of shape (d,)
        The gap vector, from texts to images.
    """

    images: np.ndarray
    scripts: np.ndarray
    texts: np.ndarray
    gap: np.ndarray

    def along_gap(self) -> np.ndarray:
        """Return q (9,), the component of each class text, at unit length, along the gap."""
        lengths = np.linalg.norm(self.texts, axis=1) * np.linalg.norm(self.gap)
        return self.texts @ self.gap / lengths


def script_or_symbol(glyphs: Glyphs) -> np.ndarray:
    """Return what each character is: a script, "SYMBOL", or "" for the rest.

    Parameters
    ----------
    glyphs : Glyphs
        The n characters.

    Returns
    -------
    ndarray of str, shape (n,)
        Symbols are the characters whose Unicode category begins with S.
    """
    script = TASKS["script"].labels(glyphs)
    categories = [unicodedata.category(chr(codepoint))[0] for codepoint in glyphs.codepoints]
    number = np.where(np.array(categories) == "S", len(SCRIPTS), script)
    return np.array([*LETTER_LABELS, ""])[number]


def embed_letters(model: "GlyphCLIP") -> Letters:
    """Embed the held-out letters by a GlyphCLIP; texts and gap are those of training characters.

    Parameters
    ----------
    model : GlyphCLIP
        A model, such as ``load_glyphclip`` returns.

    Returns
    -------
    Letters
        The letters of the test split.
    """
    from gapbook.encoders.clip import embed_images, embed_texts

    train = load_glyphs().part("train")
    test = load_glyphs().part("test")
    images = embed_images(model, train.images)
    names = embed_texts(model, caption_tokens(train.names))
    kinds = script_or_symbol(test)
    is_letter = np.isin(kinds, SCRIPTS)
    return Letters(
        embed_images(model, test.images[is_letter]),
        kinds[is_letter],
        _mean_texts(names, script_or_symbol(train)),
        gap_vector(images, names),
    )


def letters_of_pairs(pairs: PairedEmbeddings) -> Letters:
    """Find the letters among embedded characters of the test split; texts and gap are theirs, too.

    Parameters
    ----------
    pairs : PairedEmbeddings
        All characters of the test split with their names, such as ``load_pairs("glyphclip")``.

    Returns
    -------
    Letters
        The letters.
    """
    kinds = script_or_symbol(load_glyphs().part("test"))
    is_letter = np.isin(kinds, SCRIPTS)
    gap = gap_vector(pairs.x, pairs.y)
    return Letters(pairs.x[is_letter], kinds[is_letter], _mean_texts(pairs.y, kinds), gap)


def _mean_texts(names: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Return the mean name of each of ``LETTER_LABELS``."""
    return np.stack([names[kinds == kind].mean(0) for kind in LETTER_LABELS])

"""GlyphPairs in four modalities: what encoders see, and the training of any set of them.

The same characters are images, outlines, spoken names and written names. An image and an outline
say the same, and so do a spoken and a written name; how a character looks and how it is called
share a part only.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gapbook.encoders.clip import embed_in_batches, pixels
from gapbook.encoders.modalities import MODALITIES, ModalityEncoders
from gapbook.extras import from_extra
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import POINTS, Glyphs, caption_tokens
from gapbook.landscape.contrastive import contrastive_loss
from gapbook.outlines import load_outlines
from gapbook.sounds import load_sounds
from gapbook.training import (
    BATCH_SIZE,
    EPOCHS,
    MAX_PIXEL_SHIFT,
    TrainingRun,
    image_views,
    make_recipe,
    run_epochs,
)

with from_extra("models", "Training"):
    import torch
    from torch.nn.functional import normalize

# Two modalities, by their names.
Pair = tuple[str, str]

# All pairs of two modalities, in the order of tables and figures.
PAIRS: tuple[Pair, ...] = tuple(combinations(MODALITIES, 2))

# Outlines are shifted as far as images, here in heights of the em.
MAX_OUTLINE_SHIFT = MAX_PIXEL_SHIFT / POINTS

# Noise on levels of sounds, in steps of a byte: at most 1.5 nats of power.
MAX_SOUND_NOISE = 22

Views = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


def _outline_views(data: Glyphs) -> Views:
    """Return a function that draws outlines in random typefaces, shifted."""
    outlines = torch.as_tensor(load_outlines(data))

    def view(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        faces = rng.integers(len(outlines), size=len(rows))
        shift = rng.uniform(-MAX_OUTLINE_SHIFT, MAX_OUTLINE_SHIFT, size=(len(rows), 1, 2))
        steps = outlines[faces, rows]
        steps[:, :, :2] += torch.as_tensor(shift, dtype=torch.float32)
        return steps

    return view


def _sound_views(data: Glyphs) -> Views:
    """Return a function that draws spoken names in random voices, with noise."""
    sounds = torch.as_tensor(load_sounds(data))

    def view(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        voices = rng.integers(len(sounds), size=len(rows))
        spoken = sounds[voices, rows]
        noise = rng.integers(-MAX_SOUND_NOISE, MAX_SOUND_NOISE + 1, spoken.shape, np.int16)
        noisy = (spoken + torch.as_tensor(noise)).clamp(1, 255).to(torch.uint8)
        # The silence after the end stays silent.
        return torch.where(spoken > 0, noisy, spoken)

    return view


def _name_views(data: Glyphs) -> Views:
    """Return a function that returns names, which always look the same."""
    tokens = torch.as_tensor(caption_tokens(data.names))
    return lambda rows, rng: tokens[rows]


# What draws the random views that a modality is trained on.
VIEWS: dict[str, Callable[[Glyphs], Views]] = {
    "image": image_views,
    "outline": _outline_views,
    "sound": _sound_views,
    "name": _name_views,
}

# What a modality is measured on: the first typeface, the first voice, and nothing random.
INPUTS: dict[str, Callable[[Glyphs], torch.Tensor]] = {
    "image": lambda glyphs: pixels(glyphs.images),
    "outline": lambda glyphs: torch.as_tensor(load_outlines(glyphs, ["DejaVuSans"])[0]),
    "sound": lambda glyphs: torch.as_tensor(load_sounds(glyphs)[0]),
    "name": lambda glyphs: torch.as_tensor(caption_tokens(glyphs.names)),
}


def embed_modalities(model: ModalityEncoders, glyphs: Glyphs) -> dict[str, np.ndarray]:
    """Embed characters by all encoders of a model.

    Parameters
    ----------
    model : ModalityEncoders
        The encoders.
    glyphs : Glyphs
        The characters.

    Returns
    -------
    dict of str to numpy.ndarray of shape (n, 64)
        Unit rows by modality, float32; row i of each is of the same character.
    """
    embeddings = {}
    for name in model.modalities:
        encode = partial(model.encode, name)
        embeddings[name] = embed_in_batches(model, encode, INPUTS[name](glyphs), name)
    return embeddings


def evaluate_modalities(model: ModalityEncoders, glyphs: Glyphs) -> pd.DataFrame:
    """Measure gap and recall between any two modalities of a model.

    Parameters
    ----------
    model, glyphs
        As in ``embed_modalities``.

    Returns
    -------
    pandas.DataFrame
        Columns first, second, gap, and recalls at 1 and 10 in both directions:
        first_to_second_r1, second_to_first_r1, first_to_second_r10, second_to_first_r10. One row a
        pair.
    """
    embeddings = embed_modalities(model, glyphs)
    rows = []
    for first, second in combinations(model.modalities, 2):
        x = embeddings[first]
        y = embeddings[second]
        recall = retrieval(x, y).set_index(["direction", "k"])["recall"]
        row = {"first": first, "second": second, "gap": modality_gap(x, y)}
        for k in (1, 10):
            row[f"first_to_second_r{k}"] = recall["image_to_text", k]
            row[f"second_to_first_r{k}"] = recall["text_to_image", k]
        rows.append(row)
    return pd.DataFrame(rows)


class ModalitiesRun(TrainingRun):
    """A training run of several modalities at once.

    Parameters
    ----------
    model : ModalityEncoders
        What is trained, in place.
    recipe : dict
        As in ``TrainingRun``, with "pairs", a list of pairs of modalities.
    steps : int
        Batches of an epoch.
    """

    model: ModalityEncoders

    def loss(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the sum of the losses of all pairs.

        Parameters
        ----------
        inputs : dict of str to torch.Tensor
            What each encoder sees of the same characters.

        Returns
        -------
        torch.Tensor
            The sum of symmetric contrastive losses in nats, a scalar.
        """
        unit = {
            name: normalize(self.model.encode(name, seen), dim=1) for name, seen in inputs.items()
        }
        tau = torch.exp(-self.model.logit_scale)
        losses = [contrastive_loss(unit[a], unit[b], tau) for a, b in self.recipe["pairs"]]
        return torch.stack(losses).sum()


def train_modalities(  # noqa: PLR0913 - a training run has that many settings
    model: ModalityEncoders,
    data: Glyphs,
    tau: float | None = None,
    *,
    pairs: Iterable[Sequence[str]] | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    held_out: Glyphs | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Train encoders of several modalities in place, by the loss of some pairs of them.

    The recipe is that of ``gapbook.training.train``, which this equals for images and names.

    Parameters
    ----------
    model : ModalityEncoders
        The encoders.
    data : Glyphs
        Characters to learn from.
    tau : float, optional
        A fixed temperature, that of all pairs. By default one for all is learned.
    pairs : iterable of pairs of str, optional
        The modalities whose losses are summed. By default any two of the model.
    epochs : int
        How often all characters are seen.
    seed : int
        What draws batches and views.
    held_out : Glyphs, optional
        Characters that are measured after each epoch.
    checkpoint : path, optional
        A file in which the run is saved after each epoch. Called again, it goes on from there.
    progress : bool
        Whether to show a progress bar.
    after_epoch : callable, optional
        Called with the number of each epoch, before the epoch is saved.

    Returns
    -------
    pandas.DataFrame
        Columns epoch, loss (the mean of the sum over the epoch, in nats), tau and, with
        ``held_out``, those of ``evaluate_modalities``, also of pairs that are not trained: a row
        for each epoch and pair, from epoch 0, the untrained model.

    Raises
    ------
    ValueError
        For a pair that the model does not have, a modality of the model in no pair, a temperature
        that is not positive, fewer characters than a batch, or a checkpoint of another recipe.
    """
    recipe = make_recipe(tau, epochs, seed, len(data))
    recipe["pairs"] = _check_pairs(model.modalities, pairs)
    run = ModalitiesRun(model, recipe, len(data) // BATCH_SIZE)
    views = {name: VIEWS[name](data) for name in model.modalities}

    def draw(rows: torch.Tensor, rng: np.random.Generator) -> tuple[dict[str, torch.Tensor]]:
        return ({name: view(rows, rng) for name, view in views.items()},)

    measure = None
    if held_out:
        measure = partial(_measured, model, held_out)
    run_epochs(run, draw, measure, checkpoint, progress, after_epoch)
    return _long_table(run.history)


def _measured(model: ModalityEncoders, held_out: Glyphs) -> dict[str, Any]:
    """Return what is measured after an epoch, in a form that a checkpoint can hold."""
    return {"measured": evaluate_modalities(model, held_out).to_dict("records")}


def _long_table(history: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each epoch and pair."""
    rows = []
    for epoch in history:
        shared = {key: epoch[key] for key in ("epoch", "loss", "tau")}
        rows += [shared | pair for pair in epoch.get("measured", [{}])]
    return pd.DataFrame(rows).astype({"loss": float})


def _check_pairs(
    modalities: tuple[str, ...], pairs: Iterable[Sequence[str]] | None
) -> list[list[str]]:
    """Return pairs as lists, as a checkpoint holds them, or raise an error."""
    if pairs is None:
        pairs = combinations(modalities, 2)
    checked = [list(pair) for pair in pairs]
    for pair in checked:
        if len(pair) != 2 or len(set(pair)) < 2 or not set(pair) <= set(modalities):
            raise ValueError(
                f"Expected pairs of two modalities of the model, {', '.join(modalities)}; "
                f"got {pair}"
            )
    untrained = set(modalities).difference(*checked)
    if untrained:
        raise ValueError(
            f"Expected each modality of the model in a pair; {', '.join(sorted(untrained))} is in "
            "none: build the model without it, or add a pair"
        )
    return checked

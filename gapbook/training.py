"""Contrastive training of GlyphCLIP: symmetric InfoNCE, AdamW, a fixed or learnable temperature.

A run can be interrupted and resumed.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from gapbook.checkpoints import Weights, resume_checkpoint, save_checkpoint
from gapbook.encoders.clip import embed_in_batches, pixels
from gapbook.extras import from_extra
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import FACES, Glyphs, all_faces, caption_tokens
from gapbook.landscape.contrastive import contrastive_loss
from gapbook.landscape.sigmoid import FIRST_SCALE, sigmoid_loss

with from_extra("models", "Training"):
    import torch
    from torch import nn
    from torch.nn.functional import normalize

# Later epochs gain little in retrieval, and a run stays under two minutes.
EPOCHS = 30

# Batches of 256 learn far more slowly in the same number of epochs.
BATCH_SIZE = 64

# The highest rate of the schedule, usual for AdamW on transformers as small as this one.
LEARNING_RATE = 1e-3

# On matrices only, as usual: neither on biases and normalizations nor on the temperature.
WEIGHT_DECAY = 0.1

# CLIP's for its vision transformers are 0.9 and 0.98.
BETAS = (0.9, 0.98)

# The share of all steps over which the rate rises, so that first gradients do no harm.
WARM_UP_SHARE = 0.05

# Pixels by which an image is shifted at most: what it shows stays on the canvas.
MAX_PIXEL_SHIFT = 2

# Where a learned temperature starts, as in CLIP and in SigLIP.
FIRST_TAUS = {"softmax": 0.07, "sigmoid": 1 / FIRST_SCALE}

# The limit of 1 / tau where it is learned, as in CLIP.
MAX_SCALE = 100.0

# How much faster than the weights the temperature learns: a run is much shorter than CLIP's.
SCALE_RATE_FACTOR = 10


Loss = Literal["softmax", "sigmoid"]


class Trainable(Weights, Protocol):
    """What can be trained: a module with encoders and log 1 / tau.

    For the sigmoid loss it has ``logit_bias`` too.
    """

    logit_scale: Any

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return all weights."""

    def train(self) -> Any:
        """Put the module into training mode."""

    def eval(self) -> Any:
        """Put the module into evaluation mode."""


class TwoEncoders(Trainable, Protocol):
    """What can be trained on pairs: a module with two encoders and log 1 / tau.

    ``second_sees`` says whether the second encoder takes captions, as token ids (n, 16), or
    images (n, 1, 32, 32), as the first one does. Both return embeddings (n, d) of any length.
    """

    second_sees: Literal["captions", "images"]

    def encode_first(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images.

        Parameters
        ----------
        images : torch.Tensor of shape (n, 1, 32, 32)
            Images, 0 for paper and 1 for ink.
        """

    def encode_second(self, inputs: torch.Tensor, /) -> torch.Tensor:
        """Embed captions or images.

        Parameters
        ----------
        inputs : torch.Tensor
            What ``second_sees`` says.
        """


def logit_bias(model: Trainable) -> nn.Parameter:
    """Return the bias of a model's logits.

    Parameters
    ----------
    model : Trainable
        Such as ``build_glyphclip`` makes with a ``first_bias``.

    Returns
    -------
    torch.nn.Parameter
        A scalar.

    Raises
    ------
    ValueError
        If the model has none.
    """
    bias = getattr(model, "logit_bias", None)
    if not isinstance(bias, nn.Parameter):
        raise ValueError("Expected a model with a bias of its logits; this one has no logit_bias")
    return bias


def augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift each image by up to two pixels a side; ink that leaves the canvas is lost.

    Parameters
    ----------
    images : torch.Tensor of shape (n, 1, height, width)
        Images, 0 for paper.
    rng : numpy.random.Generator
        What draws the shifts.

    Returns
    -------
    torch.Tensor of shape (n, 1, height, width)
        New images.
    """
    n, _, height, width = images.shape
    padded = nn.functional.pad(images, (MAX_PIXEL_SHIFT,) * 4)
    down, right = torch.as_tensor(rng.integers(0, 2 * MAX_PIXEL_SHIFT + 1, size=(2, n, 1)))
    rows = (torch.arange(height) + down)[:, :, None]
    columns = (torch.arange(width) + right)[:, None, :]
    return padded[torch.arange(n)[:, None, None], 0, rows, columns].unsqueeze(1)


def embed_pairs(
    model: TwoEncoders, glyphs: Glyphs, rotation: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Embed characters by both encoders of a model.

    Parameters
    ----------
    model : TwoEncoders
        Such as ``build_glyphclip`` and ``GlyphTwins`` make. Its second encoder sees the captions,
        or the same characters in the oblique typeface where it takes images.
    glyphs : Glyphs
        Characters.
    rotation : numpy.ndarray of shape (d, d), optional
        What turns the second side's embeddings.

    Returns
    -------
    x, y : numpy.ndarray of shape (n, d)
        Unit rows of each side, float32.
    """
    x = embed_in_batches(model, model.encode_first, pixels(glyphs.images), "image")
    if model.second_sees == "captions":
        tokens = torch.as_tensor(caption_tokens(glyphs.names))
        y = embed_in_batches(model, model.encode_second, tokens, "text")
    else:
        upright, _, oblique, _ = FACES
        slanted = all_faces(glyphs, (upright, oblique))[1]
        y = embed_in_batches(model, model.encode_second, pixels(slanted), "image")
    if rotation is None:
        return x, y
    return x, (y @ rotation).astype(np.float32)


def evaluate(
    model: TwoEncoders, glyphs: Glyphs, rotation: np.ndarray | None = None
) -> dict[str, float]:
    """Measure gap and recall of a model on some characters.

    Parameters
    ----------
    model, glyphs, rotation
        As in ``embed_pairs``.

    Returns
    -------
    dict of str to float
        ``gap``, and recalls at 1, 5 and 10 in both directions, such as ``image_to_text_r1``.
    """
    x, y = embed_pairs(model, glyphs, rotation)
    recall = retrieval(x, y).set_index(["direction", "k"])["recall"]
    recalls = {f"{direction}_r{k}": recall[direction, k] for direction, k in recall.index}
    return {"gap": modality_gap(x, y)} | recalls


class TrainingRun:
    """One training run, which can be saved after any epoch and resumed from there.

    Each epoch draws from a random stream of its own, so a resumed run equals an uninterrupted one
    bit for bit.

    Parameters
    ----------
    model : Trainable
        What is trained, in place.
    recipe : dict
        ``tau`` (None: learned), ``learning_rate``, ``epochs`` and ``seed``, and whatever else tells
        the checkpoints of two runs apart.
    steps : int
        Batches of an epoch.
    """

    def __init__(self, model: Trainable, recipe: dict[str, Any], steps: int) -> None:
        self.model = model
        self.recipe = recipe
        self.history: list[dict[str, Any]] = []
        tau = recipe["tau"]
        first_tau = FIRST_TAUS[recipe.get("loss", "softmax")] if tau is None else tau
        model.logit_scale.data.fill_(math.log(1 / first_tau))
        model.logit_scale.requires_grad_(tau is None)
        self.optimizer = _optimizer(model, recipe["learning_rate"])
        self.schedule = _schedule(self.optimizer, recipe["epochs"] * steps)

    @property
    def tau(self) -> float:
        """The present temperature."""
        return math.exp(-self.model.logit_scale.item())

    def logits(self) -> dict[str, float]:
        """Return what makes logits of cosines: the temperature, and a bias where there is one."""
        if self.recipe.get("loss") == "sigmoid":
            return {"tau": self.tau, "bias": logit_bias(self.model).item()}
        return {"tau": self.tau}

    def loss(self, *inputs: Any) -> torch.Tensor:
        """Return the loss of a batch, which each kind of run defines.

        Parameters
        ----------
        *inputs
            What the encoders see.
        """
        raise NotImplementedError

    def step(self, *inputs: Any) -> float:
        """Take one step on a batch.

        Parameters
        ----------
        *inputs
            What the encoders see, as ``loss`` takes it.

        Returns
        -------
        float
            The loss before the step, in nats.
        """
        self.model.train()
        loss = self.loss(*inputs)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.model.logit_scale.data.clamp_(max=math.log(MAX_SCALE))
        return loss.item()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all: an interruption leaves the earlier one.

        Parameters
        ----------
        path : pathlib.Path
            The file.
        """
        notes = {"recipe": self.recipe, "history": self.history, "step": self.schedule.last_epoch}
        save_checkpoint(path, self.model, self.optimizer, notes)

    def resume(self, path: Path) -> None:
        """Take up a run where its checkpoint left it.

        Parameters
        ----------
        path : pathlib.Path
            The file that ``save`` wrote.

        Raises
        ------
        PairsError
            For the checkpoint of another recipe, or a file that is none.
        """
        notes = resume_checkpoint(path, self.model, self.optimizer, self.recipe)
        self.history = notes["history"]
        self.schedule.last_epoch = notes["step"]
        for group, base in zip(self.optimizer.param_groups, self.schedule.base_lrs, strict=True):
            group["lr"] = base * self.schedule.lr_lambdas[0](notes["step"])


class PairsRun(TrainingRun):
    """A training run of two encoders.

    Parameters
    ----------
    model : TwoEncoders
        What is trained, in place.
    recipe, steps
        As in ``TrainingRun``. Embeddings have unit length in the loss, unless ``recipe`` has
        "unit_length" as False. The loss is that of CLIP, unless ``recipe`` has "loss" as "sigmoid",
        that of SigLIP.
    rotation : numpy.ndarray of shape (d, d), optional
        What turns the second side's embeddings.
    """

    model: TwoEncoders

    def __init__(
        self,
        model: TwoEncoders,
        recipe: dict[str, Any],
        steps: int,
        rotation: np.ndarray | None = None,
    ) -> None:
        super().__init__(model, recipe, steps)
        self.rotation = None
        if rotation is not None:
            self.rotation = torch.from_numpy(np.array(rotation, np.float32))

    def loss(self, images: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        images : torch.Tensor of shape (b, 1, 32, 32)
            What the first encoder sees.
        second : torch.Tensor
            What the second encoder sees: captions, or other views of the images.

        Returns
        -------
        torch.Tensor
            In nats, a scalar.
        """
        x = self.model.encode_first(images)
        y = self.model.encode_second(second)
        if self.recipe.get("unit_length", True):
            x = normalize(x, dim=1)
            y = normalize(y, dim=1)
        if self.rotation is not None:
            y = y @ self.rotation
        if self.recipe.get("loss") == "sigmoid":
            return sigmoid_loss(x, y, torch.exp(self.model.logit_scale), logit_bias(self.model))
        return contrastive_loss(x, y, torch.exp(-self.model.logit_scale))


def _optimizer(model: Trainable, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices only, and a faster temperature and bias."""
    of_logits = [model.logit_scale]
    if hasattr(model, "logit_bias"):
        of_logits.append(logit_bias(model))
    weights = [p for p in model.parameters() if not any(p is known for known in of_logits)]
    matrices = [p for p in weights if p.ndim > 1]
    vectors = [p for p in weights if p.ndim < 2]
    groups = [
        {"params": matrices, "lr": learning_rate, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "lr": learning_rate, "weight_decay": 0.0},
        {"params": of_logits, "lr": SCALE_RATE_FACTOR * learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=BETAS)


def _schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule that rises linearly and then falls as a cosine to 0."""
    warm_up = max(1, round(WARM_UP_SHARE * steps))

    def factor(step: int) -> float:
        cosine = (1 + math.cos(math.pi * min(1, step / steps))) / 2
        return min((step + 1) / warm_up, cosine)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def train(  # noqa: PLR0913 - a training run has that many settings
    model: TwoEncoders,
    data: Glyphs,
    tau: float | None = None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    learning_rate: float = LEARNING_RATE,
    rotation: np.ndarray | None = None,
    unit_length: bool = True,
    loss: Loss = "softmax",
    held_out: Glyphs | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Train a model in place with a contrastive loss.

    Parameters
    ----------
    model : TwoEncoders
        Such as ``build_glyphclip`` and ``GlyphTwins`` make.
    data : Glyphs
        Characters to learn from.
    tau : float, optional
        A fixed temperature. By default it is learned.
    epochs : int
        How often all characters are seen.
    seed : int
        What draws batches and views.
    learning_rate : float
        The highest rate of the schedule.
    rotation : numpy.ndarray of shape (d, d), optional
        An orthogonal matrix, which turns the second side's embeddings, in the loss as in the
        history, and stays as it is.
    unit_length : bool
        Whether embeddings have unit length in the loss. They always have where they are measured.
    loss : {"softmax", "sigmoid"}
        CLIP's symmetric loss, or SigLIP's, for a model with a bias.
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
        Columns epoch, loss, tau and, with ``held_out``, gap and recalls as in ``evaluate``; one
        row an epoch, from row 0, the untrained model. The loss is the mean over the epoch in nats.
        For the sigmoid loss there is a column bias too.

    Raises
    ------
    ValueError
        For a temperature that is not positive, fewer characters than a batch, a matrix that is no
        rotation, a sigmoid loss without a bias, or a checkpoint of another recipe.
    """
    recipe = make_recipe(tau, epochs, seed, len(data), learning_rate)
    if rotation is not None:
        recipe["rotation"] = _digest(rotation)
    if not unit_length:
        recipe["unit_length"] = False
    if loss == "sigmoid":
        logit_bias(model)
        recipe["loss"] = loss
    run = PairsRun(model, recipe, len(data) // BATCH_SIZE, rotation)
    measure = None
    if held_out:
        measure = partial(evaluate, model, held_out, rotation)
    draw = _drawer_of_views(data, model.second_sees)
    run_epochs(run, draw, measure, checkpoint, progress, after_epoch)
    return pd.DataFrame(run.history).astype({"loss": float})


Drawer = Callable[[torch.Tensor, np.random.Generator], tuple[Any, ...]]


def run_epochs(
    run: TrainingRun,
    draw: Drawer,
    measure: Callable[[], dict[str, Any]] | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> None:
    """Take a run through the epochs that its recipe has and it has not seen yet.

    Parameters
    ----------
    run : TrainingRun
        The run. Its history gets a row for each epoch, and one for the untrained model.
    draw : callable
        Takes the numbers of some items and a random generator, and returns what the encoders see.
    measure : callable, optional
        What the history says after each epoch, beside epoch, loss and tau.
    checkpoint, progress, after_epoch
        As in ``train``.
    """
    path = Path(checkpoint) if checkpoint else None
    if path and path.exists():
        run.resume(path)
    epochs = run.recipe["epochs"]
    first_epoch = len(run.history)
    with tqdm(
        total=epochs, initial=max(first_epoch - 1, 0), desc="epochs", disable=not progress
    ) as bar:
        for epoch in range(first_epoch, epochs + 1):
            loss = None
            if epoch > 0:
                loss = _train_epoch(run, draw, np.random.default_rng([run.recipe["seed"], epoch]))
            row = {"epoch": epoch, "loss": loss} | run.logits()
            if measure:
                row |= measure()
            run.history.append(row)
            if after_epoch:
                after_epoch(epoch)
            if path:
                run.save(path)
            if epoch:
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}")
    run.model.eval()


def make_recipe(
    tau: float | None, epochs: int, seed: int, n: int, learning_rate: float = LEARNING_RATE
) -> dict[str, Any]:
    """Check what makes a run, and return it in a form that tells checkpoints apart.

    Parameters
    ----------
    tau, epochs, seed, learning_rate
        As in ``train``.
    n : int
        How many characters there are to learn from.

    Returns
    -------
    dict
        The recipe of a ``TrainingRun``.

    Raises
    ------
    ValueError
        For a temperature that is not positive, or fewer characters than a batch.
    """
    if tau is not None and not tau > 0:
        raise ValueError(f"Expected tau as a positive number or None (learned); got {tau!r}")
    if n < BATCH_SIZE:
        raise ValueError(f"Expected at least a batch of {BATCH_SIZE} characters; got {n}")
    return {"tau": tau, "epochs": epochs, "seed": seed, "n": n, "learning_rate": learning_rate}


def _digest(rotation: np.ndarray) -> str:
    """Return what tells a rotation from others, or raise an error if the matrix is none."""
    if not np.allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=1e-5):
        raise ValueError(
            "Expected rotation as an orthogonal matrix (d, d); its rows are not orthonormal"
        )
    return hashlib.sha256(np.asarray(rotation, np.float32).tobytes()).hexdigest()


def _drawer_of_views(data: Glyphs, second_sees: Literal["captions", "images"]) -> Drawer:
    """Return a function that draws the inputs of both encoders for some rows of the data."""
    view = image_views(data)
    tokens = torch.as_tensor(caption_tokens(data.names))

    def image_and_caption(
        rows: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return view(rows, rng), tokens[rows]

    def two_views(
        rows: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return view(rows, rng), view(rows, rng)

    return image_and_caption if second_sees == "captions" else two_views


def image_views(data: Glyphs) -> Callable[[torch.Tensor, np.random.Generator], torch.Tensor]:
    """Return a function that draws images of some characters, in random typefaces and shifted.

    Parameters
    ----------
    data : Glyphs
        The characters.

    Returns
    -------
    callable
        Takes the rows of b characters and a random generator; returns images (b, 1, 32, 32).
    """
    images = torch.as_tensor(all_faces(data))

    def view(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        faces = rng.integers(len(images), size=len(rows))
        return augment(pixels(images[faces, rows]), rng)

    return view


def _train_epoch(run: TrainingRun, draw: Drawer, rng: np.random.Generator) -> float:
    """Take the steps of one epoch and return their mean loss."""
    n = run.recipe["n"]
    # The rest of fewer than a batch waits for another epoch.
    rows = torch.as_tensor(rng.permutation(n)[: n - n % BATCH_SIZE])
    losses = [run.step(*draw(batch, rng)) for batch in rows.split(BATCH_SIZE)]
    return float(np.mean(losses))

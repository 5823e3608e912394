"""Train a CLIP on captioned images as the authors did: one run, saved as it goes and resumable."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.functional import normalize
from tqdm import tqdm

from gapbook.checkpoints import resume_checkpoint, save_checkpoint
from gapbook.exceptions import PairsError
from gapbook.full_scale.pixels import PixelStore
from gapbook.full_scale.ranks import ALONE, Ranks, add_gradients, gather, wait
from gapbook.landscape.contrastive import contrastive_loss

# All of them are the authors', in their function train_clip_toy.
BATCH_SIZE = 64
LEARNING_RATE = 1e-5
BETAS = (0.9, 0.98)
EPSILON = 1e-6
# Added to the gradient as in Adam, not apart from it as in AdamW.
WEIGHT_DECAY = 0.2

# Steps between two checkpoints within an epoch.
SAVE_EVERY = 200


@dataclass(frozen=True)
class Recipe:
    """What makes a run, and tells its checkpoint from those of others.

    Attributes
    ----------
    start : {"pretrained", "random"}
        Where it starts.
    tau : float
        The temperature at the start. It stays trainable, as with the authors: at their rate it
        moves by a few percent.
    seed : int
        What draws the order of pairs, and random weights.
    amended : bool
        Whether texts are rotated onto images before the first step, and after that.
    pairs : int
        How many pairs are trained on.
    batch_size : int
        Pairs in a batch, over all processes.
    epochs : int
        How often pairs are seen. The authors' code says 5; their figures are of epoch 1.
    weights : str
        The digest of the pretrained weights.
    """

    start: Literal["pretrained", "random"]
    tau: float
    seed: int
    amended: bool
    pairs: int
    batch_size: int = BATCH_SIZE
    epochs: int = 1
    weights: str = ""


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs as networks see them.

    Attributes
    ----------
    pixels : PixelStore
        Prepared images.
    tokens : torch.Tensor of shape (n, length)
        Token ids of the captions, padded at their ends.
    lengths : torch.Tensor of shape (n,)
        How many of them each caption has.
    """

    pixels: PixelStore
    tokens: torch.Tensor
    lengths: torch.Tensor

    def captions(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the token ids of some captions, as short as the longest one allows.

        Parameters
        ----------
        rows : torch.Tensor of integers, shape (b,)
            Which captions.

        Returns
        -------
        torch.Tensor of shape (b, length)
            The token ids.
        """
        return self.tokens[rows, : int(self.lengths[rows].max())]


Evaluate = Callable[[Any, np.ndarray | None], dict[str, float]]


class Run:
    """One training run of a CLIP.

    Parameters
    ----------
    model : transformers.CLIPModel
        What is trained, in place, on its device. It stays in evaluation mode, as with the authors.
    recipe : Recipe
        What makes the run.
    pairs : TrainingPairs
        What it is trained on.
    rotation : array of shape (d, d), optional
        What turns texts: an orthogonal matrix.
    ranks : Ranks
        Which of several processes this is.

    Notes
    -----
    Symmetric contrastive loss over the whole batch, whose negatives are gathered from all
    processes; Adam with coupled weight decay. On a GPU both encoders run in bfloat16 by autocast,
    with weights, loss and optimizer in float32; the authors trained in float32, which is what runs
    on a CPU. The order of pairs depends on seed and epoch alone, so that a resumed run equals an
    uninterrupted one.
    """

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        pairs: TrainingPairs,
        rotation: np.ndarray | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        if recipe.batch_size % ranks.world or recipe.batch_size > recipe.pairs:
            raise PairsError(
                f"Expected a batch of at most {recipe.pairs} pairs that {ranks.world} processes "
                f"share equally; got {recipe.batch_size}"
            )
        self.model = model.eval()
        self.recipe = recipe
        self.pairs = pairs
        self.rotation = rotation
        self.ranks = ranks
        self.epoch = 0
        self.step = 0
        self.losses: list[float] = []
        self.history: list[dict[str, float]] = []
        model.logit_scale.data.fill_(math.log(1 / recipe.tau))
        model.requires_grad_(True)
        self.optimizer = torch.optim.Adam(
            model.parameters(), LEARNING_RATE, BETAS, EPSILON, WEIGHT_DECAY
        )

    @property
    def steps(self) -> int:
        """Batches of an epoch; a rest of fewer than a batch is left out."""
        return self.recipe.pairs // self.recipe.batch_size

    def train(
        self,
        evaluate: Evaluate,
        checkpoint: Path | None = None,
        save_every: int = SAVE_EVERY,
        after_step: Callable[[int, int], None] | None = None,
        progress: bool = False,
    ) -> list[dict[str, float]]:
        """Train to the end, from where the checkpoint left it.

        Parameters
        ----------
        evaluate : callable
            Takes the model and the rotation, and returns measures by name: called before the first
            step and after each epoch, in the first process.
        checkpoint : pathlib.Path, optional
            Where the run is kept.
        save_every : int
            Steps between two checkpoints within an epoch.
        after_step : callable, optional
            Called with epoch and step after each step.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        list of dict
            "epoch", "loss" (the mean over the epoch in nats) and the measures, from epoch 0, the
            start.
        """
        there = checkpoint is not None and checkpoint.exists()
        # All processes look before the first one writes.
        wait(self.ranks)
        if checkpoint is not None and there:
            self.resume(checkpoint)
        if not self.history:
            self._finish_epoch(evaluate, checkpoint)
        while self.epoch <= self.recipe.epochs:
            order = self._order()
            bar = tqdm(
                total=self.steps,
                initial=self.step,
                desc=f"epoch {self.epoch}",
                disable=not (progress and self.ranks.first),
            )
            with bar:
                while self.step < self.steps:
                    loss = self._step(order[self.step])
                    self.losses.append(loss)
                    self.step += 1
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.3f}")
                    if checkpoint is not None and self.step % save_every == 0:
                        self.save(checkpoint)
                    if after_step is not None:
                        after_step(self.epoch, self.step)
            # What is measured next may take longer than the last steps.
            if checkpoint is not None and self.step % save_every:
                self.save(checkpoint)
            self._finish_epoch(evaluate, checkpoint)
        return self.history

    def _order(self) -> torch.Tensor:
        """Draw which pairs are in each batch of this epoch."""
        rng = np.random.default_rng([self.recipe.seed, self.epoch])
        rows = rng.permutation(self.recipe.pairs)[: self.steps * self.recipe.batch_size]
        return torch.from_numpy(rows).reshape(self.steps, self.recipe.batch_size)

    def _step(self, batch: torch.Tensor) -> float:
        """Take one step on a batch, of which each process embeds a part."""
        loss = self.loss(batch)
        self.optimizer.zero_grad()
        loss.backward()
        scale = self.model.logit_scale
        encoders = [weight for weight in self.model.parameters() if weight is not scale]
        add_gradients(encoders, scale, self.ranks)
        self.optimizer.step()
        return loss.item()

    def loss(self, batch: torch.Tensor) -> torch.Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        batch : torch.Tensor of integers, shape (b,)
            The pairs.

        Returns
        -------
        torch.Tensor
            The loss in nats; its gradient flows through the rows that this process embeds.
        """
        rows = batch.tensor_split(self.ranks.world)[self.ranks.rank]
        device = self.model.device
        seen = self.pairs.pixels.preparation.normalize(self.pairs.pixels[rows.numpy()].to(device))
        tokens = self.pairs.captions(rows).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            x = self.model.get_image_features(pixel_values=seen).pooler_output
            y = self.model.get_text_features(input_ids=tokens).pooler_output
        x = normalize(x.float(), dim=1)
        y = normalize(y.float(), dim=1)
        if self.rotation is not None:
            y = y @ torch.as_tensor(self.rotation, dtype=y.dtype, device=device)
        tau = torch.exp(-self.model.logit_scale)
        return contrastive_loss(gather(x, self.ranks), gather(y, self.ranks), tau)

    def _finish_epoch(self, evaluate: Evaluate, checkpoint: Path | None) -> None:
        """Measure the model, and go on to the next epoch."""
        row: dict[str, float] = {"epoch": self.epoch}
        if self.losses:
            row["loss"] = float(np.mean(self.losses))
        if self.ranks.first:
            row |= evaluate(self.model, self.rotation)
        self.history.append(row)
        self.epoch += 1
        self.step = 0
        self.losses = []
        if checkpoint is not None:
            self.save(checkpoint)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all, in the first process.

        Parameters
        ----------
        path : pathlib.Path
            The file: 1.8 GB for ViT-B/16.
        """
        if self.ranks.first:
            notes = {
                "recipe": asdict(self.recipe),
                "history": self.history,
                "losses": self.losses,
                "epoch": self.epoch,
                "step": self.step,
            }
            save_checkpoint(path, self.model, self.optimizer, notes)
        wait(self.ranks)

    def resume(self, path: Path) -> None:
        """Take up the run where its checkpoint left it.

        Parameters
        ----------
        path : pathlib.Path
            What ``save`` wrote.

        Raises
        ------
        PairsError
            For the checkpoint of another recipe, or a file that is none.
        """
        notes = resume_checkpoint(path, self.model, self.optimizer, asdict(self.recipe))
        self.history = notes["history"]
        self.losses = notes["losses"]
        self.epoch = notes["epoch"]
        self.step = notes["step"]

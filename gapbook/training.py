"""Contrastive training of GlyphCLIP: symmetric InfoNCE, AdamW, a fixed or learnable temperature, resumable."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm

from gapbook.encoders.clip import embed_images, embed_texts, pixels
from gapbook.encoders.glyphclip import GlyphTwins
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import FACES, Glyphs, all_faces, caption_tokens

if TYPE_CHECKING:
    from transformers import CLIPModel

EPOCHS, BATCH, RATE, DECAY, BETAS, WARM_UP, SHIFT = 30, 64, 1e-3, 0.1, (0.9, 0.98), 0.05, 2
FIRST_SCALE, MAX_SCALE, SCALE_FACTOR = (
    1 / 0.07,
    100.0,
    10,
)  # learnable temperature, as in CLIP, but faster


def contrastive_loss(x: torch.Tensor, y: torch.Tensor, tau: float | torch.Tensor) -> torch.Tensor:
    """Return the symmetric InfoNCE loss in nats of a batch of unit rows ``(b, d)``; log b when nothing is learned.

    >>> x = torch.eye(2)
    >>> round(contrastive_loss(x, x, tau=1.0).item(), 6), round(contrastive_loss(0 * x, x, tau=1.0).item(), 6)
    (0.313262, 0.693147)
    """
    logits = x @ y.T / tau
    target = torch.arange(len(x), device=x.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def augment(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift each ``(b, 1, 32, 32)`` image by up to two pixels a side; ink that leaves the canvas is lost."""
    b, _, height, width = images.shape
    padded = nn.functional.pad(images, (SHIFT,) * 4)
    down, right = torch.as_tensor(rng.integers(0, 2 * SHIFT + 1, size=(2, b, 1)))
    rows = (torch.arange(height) + down)[:, :, None]
    columns = (torch.arange(width) + right)[:, None, :]
    return padded[torch.arange(b)[:, None, None], 0, rows, columns].unsqueeze(1)


def procrustes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix W ``(d, d)`` that brings y W nearest to x, ``(n, d)`` each, with no centering.

    W = U V^T from the singular value decomposition y^T x = U S V^T minimizes the sum of ||x_i - y_i W||^2. Identical
    modalities: the identity, where they span the space. Source: Liang et al. 2022, section 4.4.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> procrustes(x, x[::-1]).round(6).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    from scipy.linalg import orthogonal_procrustes

    return orthogonal_procrustes(y.astype(np.float64), x.astype(np.float64))[0]


def embed_pairs(
    model: "CLIPModel", glyphs: Glyphs, rotation: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Embed characters and, rotated, their captions, or the same characters in oblique where both encoders see images.

    Returns unit rows ``(n, d)`` float32 of each side.
    """
    second = (
        all_faces(glyphs, FACES[::2])[1]
        if isinstance(model, GlyphTwins)
        else caption_tokens(glyphs.names)
    )
    x, y = embed_images(model, glyphs.images), embed_texts(model, second)
    return x, y if rotation is None else (y @ rotation).astype(np.float32)


def evaluate(
    model: "CLIPModel", glyphs: Glyphs, rotation: np.ndarray | None = None
) -> dict[str, float]:
    """Measure gap and recall, in both directions, of a model on some characters."""
    x, y = embed_pairs(model, glyphs, rotation)
    recall = retrieval(x, y).set_index(["direction", "k"])["recall"]
    return {"gap": modality_gap(x, y)} | {f"{d}_r{k}": recall[d, k] for d, k in recall.index}


class Run:
    """One training run, which can be saved after any epoch and resumed from there.

    Each epoch draws from a random stream of its own, so a resumed run equals an uninterrupted one bit for bit.
    """

    def __init__(
        self, model: "CLIPModel", recipe: dict, steps: int, rotation: np.ndarray | None = None
    ) -> None:
        self.model, self.recipe, self.history = model, recipe, []  # type: ignore[var-annotated]
        self.rotation = (
            None if rotation is None else torch.from_numpy(np.array(rotation, np.float32))
        )
        scale, temperature, rate = model.logit_scale, recipe["temperature"], recipe["rate"]
        scale.data.fill_(math.log(FIRST_SCALE if temperature is None else 1 / temperature))
        scale.requires_grad_(temperature is None)
        rest = [p for p in model.parameters() if p is not scale]
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "lr": rate, "weight_decay": DECAY},
            {"params": [p for p in rest if p.ndim < 2], "lr": rate, "weight_decay": 0.0},
            {"params": [scale], "lr": SCALE_FACTOR * rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=BETAS)
        total = recipe["epochs"] * steps
        warm = max(1, round(WARM_UP * total))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda t: min((t + 1) / warm, (1 + math.cos(math.pi * min(1, t / total))) / 2),
        )

    @property
    def tau(self) -> float:
        """The present temperature."""
        return math.exp(-self.model.logit_scale.item())

    def step(self, images: torch.Tensor, second: torch.Tensor) -> float:
        """Take one step on a batch, of images and captions or of two views, and return the loss before it."""
        self.model.train()
        x = normalize(self.model.get_image_features(pixel_values=images).pooler_output, dim=1)
        y = normalize(self.model.get_text_features(input_ids=second).pooler_output, dim=1)
        y = y if self.rotation is None else y @ self.rotation
        loss = contrastive_loss(x, y, torch.exp(-self.model.logit_scale))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.model.logit_scale.data.clamp_(max=math.log(MAX_SCALE))
        return loss.item()

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: an interruption leaves the earlier one as it was."""
        tensors = {f"model.{k}": v.clone() for k, v in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{k}": v for k, v in state.items()}
        notes = {"recipe": self.recipe, "history": self.history, "step": self.schedule.last_epoch}
        part = path.with_name(path.name + ".part")
        try:
            save_file(tensors, part, metadata={"notes": json.dumps(notes)})
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def resume(self, path: Path) -> None:
        """Take up a run where its checkpoint left it; refuse the checkpoint of another recipe."""
        try:
            with safe_open(path, "pt") as file:
                notes = json.loads(file.metadata()["notes"])
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is no checkpoint, or damaged ({error}). Delete it or name another file."
            ) from None
        if notes["recipe"] != self.recipe:
            raise ValueError(
                f"Expected a checkpoint of {self.recipe}; {path} is of {notes['recipe']}: delete it or name another"
            )
        self.model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        state = self.optimizer.state_dict()
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, i, name = key.split(".")
                state["state"].setdefault(int(i), {})[name] = value
        self.optimizer.load_state_dict(state)
        self.history = notes["history"]
        self.schedule.last_epoch = notes["step"]
        for group, base in zip(self.optimizer.param_groups, self.schedule.base_lrs, strict=True):
            group["lr"] = base * self.schedule.lr_lambdas[0](notes["step"])


def train(
    model: "CLIPModel",
    data: Glyphs,
    temperature: float | None = None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    rate: float = RATE,
    rotation: np.ndarray | None = None,
    held_out: Glyphs | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    after_epoch: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Train ``model`` in place with the symmetric contrastive loss; return its history, one row an epoch.

    ``temperature`` is fixed, or learned where it is None. The history has ``epoch, loss, tau`` and, with
    ``held_out``, gap and recall of those characters; row 0 is the untrained model. ``rate`` is the highest learning
    rate. ``rotation (d, d)``, orthogonal and fixed, turns the second side's embeddings, in the loss as in the history.
    With ``checkpoint`` the run is saved after each epoch and, when called again, goes on from there. Raises ValueError
    for a temperature that is not positive, a matrix that is no rotation, or a checkpoint of another recipe.
    """
    if temperature is not None and not temperature > 0:
        raise ValueError(f"Expected a positive temperature or None (learned); got {temperature!r}")
    recipe: dict[str, Any] = {
        "temperature": temperature,
        "epochs": epochs,
        "seed": seed,
        "n": len(data),
        "rate": rate,
    }
    if rotation is not None:
        if not np.allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=1e-5):
            raise ValueError(
                "Expected rotation as an orthogonal matrix (d, d); its rows are not orthonormal"
            )
        recipe["rotation"] = hashlib.sha256(np.asarray(rotation, np.float32).tobytes()).hexdigest()
    run = Run(model, recipe, len(data) // BATCH, rotation)
    draw = _views(data, isinstance(model, GlyphTwins))
    path = Path(checkpoint) if checkpoint else None
    if path and path.exists():
        run.resume(path)
    bar = tqdm(
        total=epochs, initial=max(len(run.history) - 1, 0), desc="epochs", disable=not progress
    )
    for epoch in range(len(run.history), epochs + 1):
        rng = np.random.default_rng([seed, epoch])
        losses = [
            run.step(*draw(batch, rng)) for batch in (_batches(len(data), rng) if epoch else [])
        ]
        row = {"epoch": epoch, "loss": float(np.mean(losses)) if losses else None, "tau": run.tau}
        run.history.append(row | (evaluate(model, held_out, rotation) if held_out else {}))
        if path:
            run.save(path)
        if after_epoch:
            after_epoch(epoch)
        if epoch:
            bar.update()
            bar.set_postfix(loss=f"{row['loss']:.3f}")
    bar.close()
    model.eval()
    return pd.DataFrame(run.history).astype({"loss": float})


def _views(
    data: Glyphs, twins: bool
) -> Callable[[torch.Tensor, np.random.Generator], tuple[torch.Tensor, ...]]:
    """Return a function that draws the inputs of both encoders for some rows: views of images, and the second side."""
    images = torch.as_tensor(all_faces(data))
    tokens = torch.as_tensor(caption_tokens(data.names))

    def view(rows: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return augment(pixels(images[rng.integers(len(images), size=len(rows)), rows]), rng)

    return lambda rows, rng: (view(rows, rng), view(rows, rng) if twins else tokens[rows])


def _batches(n: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Shuffle n rows into whole batches; the rest of fewer than a batch waits for another epoch."""
    return list(torch.as_tensor(rng.permutation(n)[: n - n % BATCH]).split(BATCH))

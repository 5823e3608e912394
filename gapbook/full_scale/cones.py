"""Figures 2a and 2c on COCO: cones of pretrained networks, and of networks of random weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from gapbook.cone.noise import Network
from gapbook.encoders.clip import embed_in_batches
from gapbook.encoders.random_init import random_clip, random_resnet18
from gapbook.encoders.tokens import tokenize
from gapbook.full_scale.inputs import COCO_IMAGES, NETWORKS, Inputs
from gapbook.full_scale.kept import fingerprint, kept_embeddings
from gapbook.full_scale.pixels import (
    PixelStore,
    embed_pixels,
    imagenet_preparation,
    store_pixels,
)
from gapbook.full_scale.pretrained import Loaded, open_resnet18
from gapbook.full_scale.results import Outcome, Result, one_more, scale_note
from gapbook.geometry import cosine_stats
from gapbook.press.paper import paper_value

# The names of statistics in facts, and in ``CosineStats``.
STATISTICS = {
    "mean": "mean",
    "std": "std",
    "min": "min",
    "q25": "q25",
    "q50": "median",
    "q75": "q75",
    "max": "max",
}
# In the order of the averages that figure 2a prints.
NETWORK_NAMES: tuple[Network, ...] = ("resnet18", "clip_image", "clip_text")

# Principal components of figure 2c that the authors print.
SHARES = 10
SINGULAR_VALUES = 50
TENTH = "a tenth: 25 other networks, and theirs rounded"

# Pixels a side that ResNet-18 sees.
RESNET_SIDE = 224


def pretrained_cones(inputs: Inputs) -> Outcome:
    """Measure the cosines of figure 2a's first row: pretrained networks on COCO.

    Parameters
    ----------
    inputs : Inputs
        With "coco", "clip_b32" and "resnet18".

    Returns
    -------
    Outcome
        Seven statistics of each network, the averages that the figure prints, and the smallest
        cosines that the text prints.

    Notes
    -----
    First caption of each of the 5,000 images, features after the projection; ResNet-18's after
    global average pooling. As ours differ: float32 instead of half precision for CLIP, and images
    turned upright by their EXIF orientation, which the authors' code does not do. Their notebook
    that prepares images for pretrained networks is not public; CLIP has its own preparation here
    and ResNet-18 that of their random networks.
    """
    clip = inputs.clip("clip_b32")
    network, weights = open_resnet18(inputs.place("resnet18"), inputs.device)
    images, captions = inputs.coco_val("first")
    store = store_pixels(
        inputs.folder, "coco-val", images, imagenet_preparation(RESNET_SIDE), inputs.progress
    )
    rows: dict[Network, np.ndarray] = {
        "resnet18": _embed_store(inputs, "resnet18", weights, network, store),
        "clip_image": inputs.embed("coco-first", clip, images, "images"),
        "clip_text": inputs.embed("coco-first", clip, captions, "texts"),
    }
    facts = {}
    for name in NETWORK_NAMES:
        for statistic, value in _statistics(rows[name]).items():
            facts[f"fig2a.pretrained_real.{name}.{statistic}"] = Result(value, "cosine")
    for printed, statistic in (("paper_avg", "mean"), ("paper_min", "min")):
        keys = [f"fig2a.pretrained_real.{name}.{statistic}" for name in NETWORK_NAMES]
        values = [facts[key].value for key in keys]
        facts[f"fig2a.{printed}.pretrained_real"] = Result(values, "cosine")
    notes = scale_note(len(images), COCO_IMAGES, "images of COCO")
    return Outcome(facts, not_as_in_paper=notes)


def random_cones(inputs: Inputs) -> Outcome:
    """Measure figure 2a's second row and figure 2c: networks of random weights on COCO.

    Parameters
    ----------
    inputs : Inputs
        With "coco" and "clip_b32", whose sizes and tokenizer the random networks have; their
        ResNet has the size of "resnet18", where it is named, or else that of ResNet-18.

    Returns
    -------
    Outcome
        Figure 2a's statistics are means over the networks, with the prediction interval of one
        further network, since the authors drew one without a seed. Figure 2c's spectra are there
        only for 25 networks, as in the paper.

    Notes
    -----
    Weights by CLIP's own initialization and torchvision's; seeds 0, 1, ... instead of none. Images
    are prepared with ImageNet's colors, as in the authors' code. Figure 2c is a principal component
    analysis of the unit embeddings of all networks together: the explained shares of the first 10
    components and the first 50 singular values.
    """
    clip = inputs.clip("clip_b32")
    config = clip.checkpoint.model.config
    images, captions = inputs.coco_val("first")
    stores = {
        side: store_pixels(
            inputs.folder, "coco-val", images, imagenet_preparation(side), inputs.progress
        )
        for side in sorted({config.vision_config.image_size, RESNET_SIDE})
    }
    resnet_size: Any = "ResNet-18"
    if "resnet18" in inputs.places:
        resnet_size = open_resnet18(inputs.place("resnet18"), inputs.device)[0].config
    tokens = tokenize(clip.checkpoint, captions)["input_ids"]
    statistics: dict[Network, list[dict[str, float]]] = {name: [] for name in NETWORK_NAMES}
    scatters = {name: _Scatter() for name in NETWORK_NAMES}
    for seed in range(inputs.networks):
        for name, rows in _random_embeddings(inputs, clip, stores, tokens, resnet_size, seed):
            statistics[name].append(_statistics(rows))
            scatters[name].add(rows)
    facts = _random_facts(statistics)
    if inputs.networks == NETWORKS:
        facts |= _spectra(scatters)
    notes = scale_note(len(images), COCO_IMAGES, "images of COCO")
    return Outcome(facts, not_as_in_paper=notes)


def _random_embeddings(
    inputs: Inputs,
    clip: Loaded,
    stores: dict[int, PixelStore],
    tokens: torch.Tensor,
    resnet_size: Any,
    seed: int,
) -> Iterator[tuple[Network, np.ndarray]]:
    """Yield the embeddings of COCO by each network of one seed."""
    config = clip.checkpoint.model.config
    network: Any = random_clip(seed, size=config)
    network.to(inputs.device)
    weights = f"random {seed} of {config.to_json_string()}"
    store = stores[config.vision_config.image_size]
    yield "clip_image", _embed_store(inputs, f"random{seed}-clip", weights, network, store)
    yield (
        "clip_text",
        kept_embeddings(
            inputs.folder,
            f"random{seed}-clip-texts",
            {"weights": weights, "tokens": fingerprint([tokens.numpy()])},
            tokens,
            lambda chunk: _embed_tokens(network, chunk),
            inputs.progress,
        ),
    )
    resnet: Any = random_resnet18(seed, size=resnet_size)
    resnet.to(inputs.device)
    weights = f"random {seed} of {resnet.config.to_json_string()}"
    store = stores[RESNET_SIDE]
    yield "resnet18", _embed_store(inputs, f"random{seed}-resnet18", weights, resnet, store)


def _embed_tokens(network: Any, tokens: torch.Tensor) -> np.ndarray:
    """Embed captions by a bare CLIP, in batches as small as those of images."""

    def encode(batch: list[torch.Tensor]) -> torch.Tensor:
        return network.get_text_features(input_ids=torch.stack(batch)).pooler_output

    return embed_in_batches(network, encode, list(tokens.to(network.device)), "text")


def _embed_store(
    inputs: Inputs, name: str, weights: str, network: Any, store: PixelStore
) -> np.ndarray:
    """Embed prepared images by a bare network, or read what was embedded before."""
    return kept_embeddings(
        inputs.folder,
        f"{name}-images",
        {"weights": weights, "pixels": store.name},
        store,
        lambda chunk: embed_pixels(network, chunk, store.preparation),
        inputs.progress,
    )


def _statistics(rows: np.ndarray) -> dict[str, float]:
    """Return the statistics of a cone by the names that facts have."""
    stats = cosine_stats(rows)
    return {name: getattr(stats, attribute) for name, attribute in STATISTICS.items()}


def _random_facts(statistics: Mapping[Network, list[dict[str, float]]]) -> dict[str, Result]:
    """Return figure 2a's second row: means over networks, and how far one more may be off."""
    facts = {}
    for name, runs in statistics.items():
        for statistic in STATISTICS:
            mean, half_width, why = one_more(run[statistic] for run in runs)
            key = f"fig2a.random_real.{name}.{statistic}"
            facts[key] = Result(mean, "cosine", half_width, why)
    averages = [facts[f"fig2a.random_real.{name}.mean"] for name in NETWORK_NAMES]
    facts["fig2a.paper_avg.random_real"] = Result(
        [average.value for average in averages],
        "cosine",
        # the paper prints two digits
        [average.tolerance + 0.005 for average in averages],
        f"{averages[0].why}, and half a unit of the last printed digit",
    )
    return facts


class _Scatter:
    """Sums over rows that make a principal component analysis, without all rows at once."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Any = 0.0
        self.products: Any = 0.0

    def add(self, rows: np.ndarray) -> None:
        """Add the rows of one network."""
        exact = rows.astype(np.float64)
        self.count += len(exact)
        self.total = self.total + exact.sum(0)
        self.products = self.products + exact.T @ exact

    def squares(self) -> np.ndarray:
        """Return the squared singular values of the centered rows, from the largest."""
        centered = self.products - np.outer(self.total, self.total) / self.count
        return np.linalg.eigvalsh(centered)[::-1].clip(min=0)


def _spectra(scatters: Mapping[Network, _Scatter]) -> dict[str, Result]:
    """Return figure 2c's explained shares and singular values."""
    facts = {}
    for name, scatter in scatters.items():
        squares = scatter.squares()
        spectrum = {
            "evr10": ((squares / squares.sum())[:SHARES], "fraction"),
            "singular_values": (np.sqrt(squares)[:SINGULAR_VALUES], ""),
        }
        for what, (values, unit) in spectrum.items():
            key = f"fig2c.pca.{name}.{what}"
            tenth = [0.1 * value for value in paper_value(key)]
            facts[key] = Result(values.tolist(), unit, tenth, TENTH)
    return facts

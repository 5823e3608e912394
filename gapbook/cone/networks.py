"""Random multilayer perceptrons: the features of each layer, for the activations and orders of layers of Fig. 2b.

Weights are N(0, 1/d), so that a linear layer keeps lengths; biases are N(0, 1/d) ("normal"),
U(-1/sqrt(d), 1/sqrt(d)) ("uniform", PyTorch's default) or absent ("none"). Inputs are N(0, I): squared length d.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch.nn import functional

BIASES = {"normal": 1.0, "uniform": 1 / 3, "none": 0.0}  # expected squared length of a layer's bias
Layer = Callable[
    ..., torch.Tensor
]  # layer(h); layer(h, 1) is a second one of the same step, with False without bias

# One step of depth: a network's features h (n, d) to the next ones, with fresh layers.
STEPS: dict[str, Callable[[torch.Tensor, Layer], torch.Tensor]] = {
    "sigmoid": lambda h, layer: layer(h).sigmoid_(),
    "relu": lambda h, layer: layer(h).relu_(),
    "leaky_relu": lambda h, layer: functional.leaky_relu_(layer(h), 0.01),
    "tanh": lambda h, layer: layer(h).tanh_(),
    "linear": lambda h, layer: layer(h),
    "maxout": lambda h, layer: torch.maximum(layer(h), layer(h, 1)),
    "relu+linear": lambda h, layer: layer(h.relu()),
    "linear+relu+linear": lambda h, layer: layer(
        layer(h).relu_(), 1, False
    ).relu_(),  # as the authors' code has it
    "linear+batchnorm+relu": lambda h, layer: functional.batch_norm(
        layer(h), None, None, training=True
    ).relu_(),
    "linear+relu+batchnorm": lambda h, layer: functional.batch_norm(
        layer(h).relu_(), None, None, training=True
    ),
    "residual": lambda h, layer: h + layer(h).relu_(),
}
ACTIVATIONS = ("sigmoid", "leaky_relu", "relu", "tanh", "linear")  # of Fig. 2b


def features_by_depth(
    activations: Iterable[str] = ACTIVATIONS,
    depths: int = 25,
    n: int = 1024,
    d: int = 512,
    bias: str = "normal",
    seed: int = 0,
) -> Iterator[tuple[str, int, torch.Tensor]]:
    """Yield (activation, depth, features (n, d)) of random networks, depth 0 being the common input N(0, I).

    Networks of one seed share their weights, whichever are asked for. Names are those of ``STEPS``. ValueError for
    another activation or bias.
    """
    names = [activations] if isinstance(activations, str) else list(activations)
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names or bias not in BIASES:
        raise ValueError(
            f"Expected activations among {', '.join(STEPS)} and bias among {', '.join(BIASES)}; "
            f"got {', '.join(unknown or names) or 'none'} and {bias!r}"
        )
    x = torch.randn(n, d, generator=_stream(seed, 0, 0))
    features = dict.fromkeys(names, x)
    for name in names:
        yield name, 0, x
    for depth in range(1, depths + 1):
        layer = _fresh_layers(seed, depth, d, bias)
        for name in names:
            features[name] = STEPS[name](features[name], layer)
            yield name, depth, features[name]


def _fresh_layers(seed: int, depth: int, d: int, bias: str) -> Layer:
    """Return the layers of one step, each drawn when it is first used."""
    drawn: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}

    def layer(h: torch.Tensor, part: int = 0, biased: bool = True) -> torch.Tensor:
        if part not in drawn:
            drawn[part] = _draw(_stream(seed, depth, part), d, bias)
        weight, shift = drawn[part]
        return functional.linear(h, weight, shift if biased else None)

    return layer


def _stream(seed: int, depth: int, part: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 10_000 + depth) * 4 + part)


def _draw(stream: torch.Generator, d: int, bias: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    weight = torch.randn(d, d, generator=stream).mul_(d**-0.5)
    if bias == "none":
        return weight, None
    if bias == "uniform":
        return weight, torch.rand(d, generator=stream).mul_(2).sub_(1).mul_(d**-0.5)
    return weight, torch.randn(d, generator=stream).mul_(d**-0.5)

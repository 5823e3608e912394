"""Random multilayer perceptrons: the features of each layer of the paper's figure 2b.

Weights are N(0, 1/d), so that a linear layer keeps lengths. Biases are N(0, 1/d) ("normal"),
U(-1/sqrt(d), 1/sqrt(d)) ("uniform", PyTorch's default) or absent ("none"). Inputs are N(0, I), so
that their squared length is about d.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch.nn import functional

Bias = Literal["normal", "uniform", "none"]
BIASES = {"normal": 1.0, "uniform": 1 / 3, "none": 0.0}  # expected squared length of a layer's bias
ACTIVATIONS = ("sigmoid", "leaky_relu", "relu", "tanh", "linear")  # of the paper's figure 2b

# layer(h) is a layer of the current step; layer(h, 1) is a second layer of the same step;
# layer(h, 1, False) is that one without its bias
Layer = Callable[..., torch.Tensor]
Step = Callable[[torch.Tensor, Layer], torch.Tensor]


def _batch_norm(h: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(h, None, None, training=True)


def _linear_relu_linear(h: torch.Tensor, layer: Layer) -> torch.Tensor:
    # the second layer has no bias and a ReLU follows it, as in the authors' code
    return layer(layer(h).relu_(), 1, False).relu_()


# one step of depth: from a network's features h (n, d) to the next ones, with fresh layers
STEPS: dict[str, Step] = {
    "sigmoid": lambda h, layer: layer(h).sigmoid_(),
    "relu": lambda h, layer: layer(h).relu_(),
    "leaky_relu": lambda h, layer: functional.leaky_relu_(layer(h), 0.01),
    "tanh": lambda h, layer: layer(h).tanh_(),
    "linear": lambda h, layer: layer(h),
    "maxout": lambda h, layer: torch.maximum(layer(h), layer(h, 1)),
    "relu+linear": lambda h, layer: layer(h.relu()),
    "linear+relu+linear": _linear_relu_linear,
    "linear+batchnorm+relu": lambda h, layer: _batch_norm(layer(h)).relu_(),
    "linear+relu+batchnorm": lambda h, layer: _batch_norm(layer(h).relu_()),
    "residual": lambda h, layer: h + layer(h).relu_(),
}


def features_by_depth(
    activations: str | Iterable[str] = ACTIVATIONS,
    depths: int = 25,
    n: int = 1024,
    d: int = 512,
    bias: Bias = "normal",
    seed: int = 0,
) -> Iterator[tuple[str, int, torch.Tensor]]:
    """Yield the features of random networks, layer by layer.

    Parameters
    ----------
    activations : str or iterable of str
        The networks, by their names in ``STEPS``.
    depths : int
        The number of layers.
    n : int
        The number of inputs, common to all networks.
    d : int
        The dimension of the inputs and of each layer.
    bias : {"normal", "uniform", "none"}
        The biases of the layers.
    seed : int
        The seed of inputs and weights. Networks of one seed share their weights, whichever of them
        are asked for.

    Yields
    ------
    activation : str
        The name of the network.
    depth : int
        The number of layers before these features; depth 0 is the input.
    features : tensor of shape (n, d)
        The features, float32.

    Raises
    ------
    ValueError
        For another network or bias.
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


def _fresh_layers(seed: int, depth: int, d: int, bias: Bias) -> Layer:
    """Return the layers of one step, each drawn when it is first used."""
    drawn: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}

    def layer(h: torch.Tensor, part: int = 0, biased: bool = True) -> torch.Tensor:
        if part not in drawn:
            drawn[part] = _draw(_stream(seed, depth, part), d, bias)
        weight, shift = drawn[part]
        return functional.linear(h, weight, shift if biased else None)

    return layer


def _stream(seed: int, depth: int, part: int) -> torch.Generator:
    """Return the random numbers of one layer, which no other layer uses."""
    return torch.Generator().manual_seed((seed * 10_000 + depth) * 4 + part)


def _draw(stream: torch.Generator, d: int, bias: Bias) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Draw a layer: weights (d, d) and, unless there is none, a bias (d,)."""
    weight = torch.randn(d, d, generator=stream).mul_(d**-0.5)
    if bias == "none":
        return weight, None
    if bias == "uniform":
        return weight, torch.rand(d, generator=stream).mul_(2).sub_(1).mul_(d**-0.5)
    return weight, torch.randn(d, generator=stream).mul_(d**-0.5)

"""What makes the cones of CLIP's towers: the token that a tower reads, layer by layer."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gapbook.geometry import cosine_stats

if TYPE_CHECKING:
    from transformers import CLIPModel


def reading_cosines(
    model: "CLIPModel",
    inputs: torch.Tensor,
    *,
    shared_start: bool = True,
    gelu: bool = True,
    seed: int = 0,
) -> list[float]:
    """Return the mean cosine of the tokens that a tower reads, layer by layer.

    Parameters
    ----------
    model : transformers.CLIPModel
        A CLIP. Its image tower reads the class token, its text tower the token of the largest id.
    inputs : tensor of shape (n, channels, height, width), or of int64 and shape (n, length)
        Images, or the token ids of captions.
    shared_start : bool
        Whether inputs start with what all of them have in common: the class token of images, the
        embeddings of positions of texts. Without it, each image has a class token of its own, of
        the same size and drawn at random, and texts have no positions.
    gelu : bool
        Whether the activation is the model's own. If not, it is tanh, an odd function, whose
        outputs have no mean.
    seed : int
        The seed of the class tokens.

    Returns
    -------
    list of float
        The mean cosine of different inputs before the first layer and after each.

    Notes
    -----
    The model is as it was afterwards. Where each input has a start of its own and the activation is
    odd, nothing is left that inputs share but the biases, which are small in a new CLIP.

    Examples
    --------
    >>> from gapbook.encoders import random_clip
    >>> images = torch.randn(20, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> cosines = reading_cosines(random_clip(0, size="small"), images)
    >>> len(cosines), round(cosines[0], 3)
    (4, 1.0)
    """
    with ExitStack() as changes, torch.inference_mode():
        if not gelu:
            changes.enter_context(_odd_activation(model))
        if inputs.is_floating_point():
            if not shared_start:
                changes.enter_context(_own_class_tokens(model, seed))
            out = model.vision_model(inputs, output_hidden_states=True)
            place = torch.zeros(len(inputs), dtype=torch.int64)
        else:
            if not shared_start:
                changes.enter_context(_no_positions(model))
            out = model.text_model(inputs, output_hidden_states=True)
            place = inputs.argmax(1)
        rows = torch.arange(len(inputs))
        return [cosine_stats(states[rows, place]).mean for states in out.hidden_states]


@contextmanager
def _odd_activation(model: "CLIPModel") -> Iterator[None]:
    """Put tanh in place of the activations of both towers."""
    towers = (model.vision_model, model.text_model)
    parts = [layer.mlp for tower in towers for layer in tower.encoder.layers]
    own = [part.activation_fn for part in parts]
    try:
        for part in parts:
            part.activation_fn = torch.nn.Tanh()
        yield
    finally:
        for part, activation in zip(parts, own, strict=True):
            part.activation_fn = activation


@contextmanager
def _own_class_tokens(model: "CLIPModel", seed: int) -> Iterator[None]:
    """Put a random class token of its own size before the patches of each image."""
    stream = torch.Generator().manual_seed(seed)

    def replace(module: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = inputs[0].clone()
        own = torch.randn(states[:, 0].shape, generator=stream)
        states[:, 0] = own * states[:, 0].std()
        return (states, *inputs[1:])

    hook = model.vision_model.pre_layrnorm.register_forward_pre_hook(replace)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _no_positions(model: "CLIPModel") -> Iterator[None]:
    """Set the embeddings of positions of the text tower to zero."""
    positions = model.text_model.embeddings.position_embedding.weight.data
    own = positions.clone()
    try:
        positions.zero_()
        yield
    finally:
        positions.copy_(own)

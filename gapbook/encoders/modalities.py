"""A model of any set of modalities: an encoder each, and one temperature."""

from collections.abc import Callable, Iterable

from gapbook.encoders.glyphclip import SECOND_SEED_OFFSET, GlyphCLIP, build_glyphclip
from gapbook.encoders.outline import OutlineEncoder
from gapbook.encoders.sound import SoundEncoder
from gapbook.extras import from_extra

with from_extra("models", "An encoder"):
    import torch
    from torch import nn


class ImageEncoder(nn.Module):
    """The image tower of a GlyphCLIP.

    Parameters
    ----------
    clip : GlyphCLIP
        The model, which loses its text tower.
    """

    def __init__(self, clip: GlyphCLIP) -> None:
        super().__init__()
        self.clip = clip
        del clip.text_model, clip.text_projection, clip.logit_scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images.

        Parameters
        ----------
        images : torch.Tensor of shape (n, 1, 32, 32)
            Images, 0 for paper and 1 for ink.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.clip.encode_first(images)


class NameEncoder(nn.Module):
    """The text tower of a GlyphCLIP.

    Parameters
    ----------
    clip : GlyphCLIP
        The model, which loses its image tower.
    """

    def __init__(self, clip: GlyphCLIP) -> None:
        super().__init__()
        self.clip = clip
        del clip.vision_model, clip.visual_projection, clip.logit_scale

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed names.

        Parameters
        ----------
        tokens : torch.Tensor of shape (n, 16)
            Token ids, as ``caption_tokens`` gives them.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.clip.encode_second(tokens)


def _seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


# How the encoder of each modality is built from a seed, in the order of tables and figures.
ENCODERS: dict[str, Callable[[int], nn.Module]] = {
    "image": lambda seed: ImageEncoder(build_glyphclip(seed)),
    "outline": lambda seed: _seeded(OutlineEncoder, seed + SECOND_SEED_OFFSET),
    "sound": lambda seed: _seeded(SoundEncoder, seed + 2 * SECOND_SEED_OFFSET),
    "name": lambda seed: NameEncoder(build_glyphclip(seed)),
}

MODALITIES = tuple(ENCODERS)


class ModalityEncoders(nn.Module):
    """Encoders of several modalities into one space of 64 dimensions.

    Parameters
    ----------
    modalities : iterable of str
        At least two of "image", "outline", "sound" and "name".
    seed : int
        What draws the weights. Those of an encoder do not depend on what others there are, and the
        caller's random state is untouched.

    Raises
    ------
    ValueError
        For another name, a name twice, or fewer than two.

    Examples
    --------
    >>> model = ModalityEncoders(["sound", "outline"], seed=0)
    >>> model.modalities, model.encode("outline", torch.zeros(3, 48, 5)).shape
    (('outline', 'sound'), torch.Size([3, 64]))
    """

    def __init__(self, modalities: Iterable[str], seed: int) -> None:
        super().__init__()
        self.modalities = check_modalities(modalities)
        encoders = {name: ENCODERS[name](seed) for name in self.modalities}
        self.encoders = nn.ModuleDict(encoders)
        # The logarithm of 1 / tau, which training sets.
        self.logit_scale = nn.Parameter(torch.tensor(0.0))
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.logit_scale.device

    def encode(self, modality: str, inputs: torch.Tensor) -> torch.Tensor:
        """Embed items by one modality.

        Parameters
        ----------
        modality : str
            One of ``modalities``.
        inputs : torch.Tensor
            What the encoder of the modality takes: images (n, 1, 32, 32), steps of the pen
            (n, 48, 5), spectrograms (n, 100, 24) of uint8, or token ids (n, 16).

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.encoders[modality](inputs)


def check_modalities(modalities: Iterable[str]) -> tuple[str, ...]:
    """Return modalities in the order of ``MODALITIES``.

    Parameters
    ----------
    modalities : iterable of str
        Their names, in any order.

    Raises
    ------
    ValueError
        For another name, a name twice, or fewer than two.

    Examples
    --------
    >>> check_modalities(["name", "image"])
    ('image', 'name')
    """
    names = [modalities] if isinstance(modalities, str) else list(modalities)
    for name in names:
        if name not in MODALITIES:
            raise ValueError(f"Expected modalities of {', '.join(MODALITIES)}; got {name!r}")
    listed = ", ".join(names) or "none"
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"Expected at least two different modalities; got {listed}")
    return tuple(name for name in MODALITIES if name in names)

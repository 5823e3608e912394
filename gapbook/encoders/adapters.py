"""One face for models of several libraries: what turns images or sounds, and captions, to vectors.

transformers, open_clip and sentence-transformers store models in folders of their own kinds.
``load_encoder`` sees which one it is. No code that comes with a model is run, and weights are read
from safetensors.
"""

import hashlib
import importlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from gapbook.exceptions import MissingPackageError, PairsError, one_line, quoted
from gapbook.extras import from_extra
from gapbook.files import path_text

if TYPE_CHECKING:
    from PIL import Image

    from gapbook.encoders.clip import Checkpoint

Library = Literal["transformers", "open_clip", "sentence-transformers"]
LIBRARIES: tuple[Library, ...] = get_args(Library)
# What sentence-transformers and open_clip name the file that describes a model.
SENTENCE_TRANSFORMERS_FILE = "modules.json"
OPEN_CLIP_FILE = "open_clip_config.json"
# What open_clip reads before anything pickled that lies beside it.
OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")


class TextEncoder(Protocol):
    """What models of images and models of sounds have in common: they embed texts.

    Attributes
    ----------
    identity : str
        What tells its embeddings from those of other models.
    """

    identity: str

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts.

        Parameters
        ----------
        texts : sequence of str
            The texts of a batch.

        Returns
        -------
        numpy.ndarray of shape (n, d)
            A row each text.
        """


@runtime_checkable
class ImageEncoder(TextEncoder, Protocol):
    """A ``TextEncoder`` that embeds images too."""

    def encode_images(self, images: Sequence["Image.Image"]) -> np.ndarray:
        """Return the embeddings of images in RGB.

        Parameters
        ----------
        images : sequence of PIL.Image.Image
            The images of a batch.

        Returns
        -------
        numpy.ndarray of shape (n, d)
            A row each image.
        """


@runtime_checkable
class SoundEncoder(TextEncoder, Protocol):
    """A ``TextEncoder`` that embeds sounds too."""

    @property
    def sampling_rate(self) -> int:
        """The samples a second that it takes."""

    def encode_sounds(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Return the embeddings of sounds.

        Parameters
        ----------
        sounds : sequence of arrays (length,)
            The sounds of a batch, of one channel at ``sampling_rate``.

        Returns
        -------
        numpy.ndarray of shape (n, d)
            A row each sound.
        """


Encoder = ImageEncoder | SoundEncoder


@dataclass
class _CheckpointEncoder:
    """What checkpoints of transformers have in common."""

    checkpoint: "Checkpoint"
    identity: str = ""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings (n, d) of texts."""
        from gapbook.encoders.clip import embed_texts

        return embed_texts(self.checkpoint, texts)


class TransformersEncoder(_CheckpointEncoder):
    """A CLIP-like checkpoint of transformers, such as CLIP and SigLIP.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of ``load_clip``.
    identity : str
        What tells its embeddings from those of other models.
    """

    def encode_images(self, images: Sequence["Image.Image"]) -> np.ndarray:
        """Return the embeddings (n, d) of images."""
        from gapbook.encoders.clip import embed_images

        return embed_images(self.checkpoint, images)


class ClapEncoder(_CheckpointEncoder):
    """A CLAP checkpoint of transformers.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of ``load_clap``.
    identity : str
        What tells its embeddings from those of other models.
    """

    @property
    def sampling_rate(self) -> int:
        """The samples a second that the model takes."""
        return self.checkpoint.processor.sampling_rate

    def encode_sounds(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Return the embeddings (n, d) of sounds."""
        from gapbook.encoders.clap import embed_sounds

        return embed_sounds(self.checkpoint, sounds)


@dataclass
class OpenClipEncoder:
    """A model of open_clip, with what prepares its images and texts.

    Parameters
    ----------
    model : torch.nn.Module
        It has ``encode_image`` and ``encode_text``, as all models of open_clip do.
    preprocess : callable
        Turns a PIL image into a tensor (channels, height, width).
    tokenizer : callable
        Turns a list of texts into token ids (n, length).
    identity : str
        What tells its embeddings from those of other models.
    """

    model: Any
    preprocess: Any
    tokenizer: Any
    identity: str = ""

    def encode_images(self, images: Sequence["Image.Image"]) -> np.ndarray:
        """Return the embeddings (n, d) of images."""
        import torch

        pixels = torch.stack([self.preprocess(image) for image in images])
        return self._encode(self.model.encode_image, pixels)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings (n, d) of texts."""
        return self._encode(self.model.encode_text, self.tokenizer(list(texts)))

    def _encode(self, encode: Any, inputs: Any) -> np.ndarray:
        import torch

        self.model.eval()
        weights = next(self.model.parameters())
        with torch.inference_mode():
            return encode(inputs.to(weights.device)).float().cpu().numpy()


@dataclass
class SentenceTransformersEncoder:
    """A model of sentence-transformers that takes images as well as texts.

    Parameters
    ----------
    model : sentence_transformers.SentenceTransformer
        It has ``encode``, which takes lists of both.
    identity : str
        What tells its embeddings from those of other models.
    """

    model: Any
    identity: str = ""

    def encode_images(self, images: Sequence["Image.Image"]) -> np.ndarray:
        """Return the embeddings (n, d) of images."""
        return self._encode(list(images))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings (n, d) of texts."""
        return self._encode(list(texts))

    def _encode(self, inputs: list[Any]) -> np.ndarray:
        rows = self.model.encode(inputs, batch_size=len(inputs), show_progress_bar=False)
        return np.asarray(rows, np.float32)


def load_encoder(
    name_or_path: str | os.PathLike[str],
    revision: str | None = None,
    library: Library | None = None,
    device: str = "cpu",
) -> Encoder:
    """Load a model of images and texts, or of sounds and texts, of any of three libraries.

    Parameters
    ----------
    name_or_path : str or path
        A local folder, or a name on a model hub.
    revision : str, optional
        For a name on the hub: the commit's 40 hexadecimal digits, so that the weights cannot
        change unseen.
    library : {"transformers", "open_clip", "sentence-transformers"}, optional
        What reads the folder. By default it is seen from the files: ``modules.json`` is of
        sentence-transformers, ``config.json`` of transformers, and ``open_clip_config.json`` alone
        of open_clip.
    device : str
        Where the model runs, such as "cpu" or "cuda".

    Returns
    -------
    ImageEncoder or SoundEncoder
        The model. A sound encoder is what CLAP gives.

    Raises
    ------
    ValueError
        Where the folder, the name, the revision, the library or the device is wrong, the network is
        down, or the model needs code of its own or lacks weights.
    MissingPackageError
        If the library is not installed.

    Notes
    -----
    A model that is in memory already needs no folder: ``TransformersEncoder(checkpoint)``,
    ``OpenClipEncoder(model, preprocess, tokenizer)`` and ``SentenceTransformersEncoder(model)``
    have the same face.

    Examples
    --------
    >>> load_encoder("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", revision="main")
    Traceback (most recent call last):
    ValueError: laion/CLIP-ViT-B-32-laion2B-s34B-b79K is no folder here; to load it from the hub,
    give revision, a commit of 40 hexadecimal digits, not 'main'
    """
    from gapbook.encoders.clip import checkpoint_folder

    _require_device(device)
    folder = checkpoint_folder(name_or_path, revision)
    name = path_text(name_or_path)
    chosen = library or _library_of(folder, name)
    identity = f"{chosen} {_fingerprint(folder)}"
    if chosen == "open_clip":
        return _open_clip(folder, name, device, identity)
    if chosen == "sentence-transformers":
        return _sentence_transformers(folder, name, device, identity)
    if chosen == "transformers":
        return _transformers(name_or_path, revision, folder, device, identity)
    raise PairsError(f"Expected library as one of {', '.join(LIBRARIES)}; got {quoted(library)}")


def _library_of(folder: Path, name: str) -> Library:
    if (folder / SENTENCE_TRANSFORMERS_FILE).is_file():
        return "sentence-transformers"
    if (folder / "config.json").is_file():
        return "transformers"
    if (folder / OPEN_CLIP_FILE).is_file():
        return "open_clip"
    raise PairsError(
        f"Expected a model of transformers, open_clip or sentence-transformers; {name} has no "
        f"config.json, {OPEN_CLIP_FILE} or {SENTENCE_TRANSFORMERS_FILE}"
    )


def _fingerprint(folder: Path) -> str:
    """Return what changes when a file of a model does: names, sizes and times in short."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            files.append([str(path.relative_to(folder)), state.st_size, state.st_mtime_ns])
    content = json.dumps([os.path.realpath(folder), files])
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def _require_device(device: str) -> None:
    with from_extra("models", "An encoder"):
        import torch

    try:
        torch.empty(1, device=device)
    # A device that is not there has an error of another kind than an unknown name.
    except Exception as error:
        raise PairsError(
            f"Expected a device of this machine, such as cpu; {quoted(device)} is none "
            f"({one_line(str(error), 150)})"
        ) from None


def _transformers(
    name_or_path: str | os.PathLike[str],
    revision: str | None,
    folder: Path,
    device: str,
    identity: str,
) -> Encoder:
    from gapbook.encoders.clip import load_checkpoint

    settings = _read_object(folder / "config.json", path_text(name_or_path))
    is_of_sounds = settings.get("model_type") == "clap"
    checkpoint = load_checkpoint(name_or_path, "audio" if is_of_sounds else "image", revision)
    checkpoint.model.to(device)
    if is_of_sounds:
        return ClapEncoder(checkpoint, identity)
    return TransformersEncoder(checkpoint, identity)


@contextmanager
def _reading(name: str, library: str) -> Iterator[None]:
    """Turn what a library raises into a sentence; each has exceptions of its own."""
    try:
        yield
    except Exception as error:
        raise PairsError(
            f"{name} cannot be read as a model of {library}: {one_line(str(error), 300)}"
        ) from error


def _open_clip(folder: Path, name: str, device: str, identity: str) -> OpenClipEncoder:
    open_clip = _require_package("open_clip", "open_clip_torch", name)
    texts = _text_settings(folder, name)
    if not any((folder / weights).is_file() for weights in OPEN_CLIP_WEIGHTS):
        raise PairsError(
            f"{name} has no weights in {OPEN_CLIP_WEIGHTS[0]}, and pickled ones are not read: "
            "convert it with open_clip's save_pretrained or push_to_hf_hub"
        )
    place = f"local-dir:{os.path.realpath(folder)}"
    # Without it a tokenizer would ask at the terminal whether to run its own code.
    safe = {"trust_remote_code": False} if texts.get("hf_tokenizer_name") else {}
    with _reading(name, "open_clip 3"):
        model, preprocess = open_clip.create_model_from_pretrained(place, device=device)
        tokenizer = open_clip.get_tokenizer(place, **safe)
    return OpenClipEncoder(model.eval(), preprocess, tokenizer, identity)


def _text_settings(folder: Path, name: str) -> dict[str, Any]:
    """Return what a model of open_clip states of its text tower, unless a tower leads elsewhere."""
    model = _read_object(folder / OPEN_CLIP_FILE, name).get("model_cfg")
    towers = []
    for key in ("vision_cfg", "text_cfg"):
        tower = model.get(key) if isinstance(model, dict) else None
        if not isinstance(tower, dict):
            raise PairsError(f"Expected model_cfg with {key} in {OPEN_CLIP_FILE}; {name} has none")
        towers.append(tower)
    images, texts = towers
    network = str(images.get("timm_model_name") or "")
    # timm has names of its own, and "hf-hub:..." for a model that is read from the hub.
    elsewhere = network if ":" in network else texts.get("hf_model_name")
    if elsewhere:
        raise PairsError(
            f"{name} takes the shape of a tower from {quoted(elsewhere)}, which is not pinned to a "
            "commit; take a checkpoint of transformers of this model"
        )
    return texts


def _sentence_transformers(
    folder: Path, name: str, device: str, identity: str
) -> SentenceTransformersEncoder:
    package = _require_package("sentence_transformers", "sentence-transformers", name)
    _require_safe_modules(folder, name)
    with _reading(name, "sentence-transformers"):
        model = package.SentenceTransformer(
            os.fspath(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    if hasattr(model, "supports") and not model.supports("image"):
        raise PairsError(
            f"Expected a model of images and texts; {name} takes {', '.join(model.modalities)}"
        )
    return SentenceTransformersEncoder(model.eval(), identity)


def _require_safe_modules(folder: Path, name: str) -> None:
    """Raise an error where parts of a model are of other packages, or weights are pickled."""
    modules = _read_json(folder / SENTENCE_TRANSFORMERS_FILE, name)
    kinds = [part.get("type") if isinstance(part, dict) else None for part in modules]
    for kind in kinds:
        if not isinstance(kind, str) or not kind.startswith("sentence_transformers."):
            raise PairsError(
                f"{name} has a part of type {quoted(kind)}, which needs code of its own, and that "
                "is never run; take a model of sentence-transformers' own parts"
            )
    for path in sorted(folder.rglob("pytorch_model.bin")):
        if not any(path.parent.glob("*.safetensors")):
            raise PairsError(
                f"{name} has pickled weights in {path_text(path.relative_to(folder))}, and they "
                "are not read: save the model with safetensors"
            )


def _read_object(path: Path, name: str) -> dict[str, Any]:
    content = _read_json(path, name)
    if not isinstance(content, dict):
        raise PairsError(
            f"Expected a JSON object in {path.name} of {name}; it holds something else"
        )
    return content


def _read_json(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PairsError(
            f"{name} has no {path.name} that can be read ({one_line(str(error), 150)})"
        ) from None


def _require_package(package: str, install: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{name} is a model of {install}, which needs {error.name}, which is not installed: "
            f"python -m pip install {install}"
        ) from None

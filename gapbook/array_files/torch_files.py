"""The files of PyTorch, read with the unpickler that knows tensors alone and runs no code."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapbook.array_files.checks import (
    UNSAFE,
    FileKind,
    name_text,
    require_both_sides,
    require_names,
    require_one_side,
    require_sane_size,
    require_side_or_groups,
)
from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.files import path_text

if TYPE_CHECKING:
    import torch

# Before it, ``weights_only`` could be made to run code (CVE-2025-32434).
SAFE_VERSION = (2, 6)


class Torch(FileKind):
    """A tensor, or a dict of tensors by name."""

    name = "a PyTorch"

    def read(self, path: Path, wanted: Sequence[str]) -> list[Any]:
        """Return the tensors of these names; a tensor without a name holds both sides."""
        content = _content(path)
        if isinstance(content, dict):
            require_names(path, wanted, list(content))
            for name in wanted:
                _require_plain(path, name, content[name])
            return [content[name] for name in wanted]
        require_both_sides(path, tuple(content.shape))
        return [content[0], content[1]]

    def read_one(self, path: Path, name: str | None, in_groups: bool = False) -> Any:
        """Return one tensor by its name, or the only one."""
        content = _content(path)
        if isinstance(content, dict):
            return super().read_one(path, name, in_groups)
        require_shape = require_side_or_groups if in_groups else require_one_side
        require_shape(path, tuple(content.shape))
        return content

    def names(self, path: Path) -> list[str]:
        """Return the names of all tensors, x and y where one without a name holds both."""
        content = _content(path)
        return list(content) if isinstance(content, dict) else ["x", "y"]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        content = _content(path)
        if isinstance(content, dict):
            return tuple(content[name].shape)
        return tuple(content.shape[1:])


def _content(path: Path) -> "torch.Tensor | dict[str, torch.Tensor]":
    """Return the tensor of a file, or its tensors by name."""
    content = _load(path)
    if _is_tensor(content):
        _require_plain(path, "the tensor", content)
        return content
    tensors: dict[str, torch.Tensor] = {}
    if isinstance(content, dict):
        tensors = {str(name): value for name, value in content.items() if _is_tensor(value)}
    if not tensors:
        raise PairsError(
            f"Expected a tensor, or a dict of tensors, in {path_text(path)}; got "
            f"{type(content).__name__} without one: torch.save(features, 'images.pt')"
        )
    return tensors


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _load(path: Path) -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingPackageError(
            f"{path_text(path)} needs torch, which is not installed: python -m pip install "
            "'torch>=2.6', or write it with np.save where torch is"
        ) from None
    _require_safe_version(path, torch.__version__)
    # Older files are one pickle, which cannot be mapped into memory.
    can_map = zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=can_map)
    except pickle.UnpicklingError:
        raise PairsError(
            f"{path_text(path)} holds other objects than tensors, or is cut off, and {UNSAFE}: "
            "save tensors alone, torch.save(torch.as_tensor(features), 'images.pt')"
        ) from None


def _require_safe_version(path: Path, version: str) -> None:
    """Refuse versions of PyTorch that a file could make run code."""
    parts = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if tuple(parts) < SAFE_VERSION:
        raise PairsError(
            f"{path_text(path)} needs torch 2.6 or later, since older ones could be made to run "
            f"code by such a file; here is {version}: update torch, or write it with np.save"
        )


def _require_plain(path: Path, name: str, tensor: "torch.Tensor") -> None:
    """Refuse a tensor that repeats a few stored numbers without end, or holds none in rows."""
    import torch

    if tensor.is_nested or tensor.layout != torch.strided:
        raise PairsError(
            f"{name_text(name)} in {path_text(path)} is a sparse or nested tensor: save "
            "tensor.to_dense(), or the rows of one length"
        )
    unpacked = tensor.numel() * tensor.element_size()
    require_sane_size(path, name, unpacked, path.stat().st_size)
    if tensor.is_meta:
        raise PairsError(f"{name_text(name)} in {path_text(path)} has no values: save them")

"""The files of safetensors: named tensors, and text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gapbook.array_files.checks import FileKind, name_text, require_names
from gapbook.exceptions import PairsError
from gapbook.files import path_text


class Safetensors(FileKind):
    """Named tensors, and text."""

    name = "a .safetensors"

    def read(self, path: Path, wanted: Sequence[str]) -> list[Any]:
        """Return the arrays of these names, and open no others."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            require_names(path, wanted, list(file.keys()))
            return [self._tensor(path, file, name) for name in wanted]

    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            return list(file.keys())

    def metadata(self, path: Path, limit: int) -> str | None:
        """Return the text under the name ``meta``, None where it is too long or no text."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            text: str | None = (file.metadata() or {}).get("meta")
        return text if text is not None and len(text) <= limit else None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape that the header of an array states."""
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            return tuple(file.get_slice(name).get_shape())

    def _tensor(self, path: Path, file: Any, name: str) -> Any:
        dtype = file.get_slice(name).get_dtype()
        # Numbers of 4 or 6 bits, of which PyTorch knows no more than the names.
        if dtype == "F4" or dtype.startswith("F6_"):
            raise PairsError(
                f"{name_text(name)} in {path_text(path)} has numbers of type {dtype}, "
                "which share bytes: save float32"
            )
        return file.get_tensor(name)

"""The one gate for input: checked, unit-length paired embeddings from arrays, files or named sources."""

import contextlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import safetensors.numpy

from gapbook.exceptions import PairsError
from gapbook.files import write_whole
from gapbook.glyphs import characters
from gapbook.published import fetch, locate, registry, registry_entry

if TYPE_CHECKING:
    import torch

BLOCK = 512  # rows that are checked at once, few enough for the processor's cache
META = ("modalities", "captions", "source", "license")
SUFFIXES = (".npz", ".npy", ".safetensors")
UNSAFE = "unpickling can run any code"


def unit_rows(x: Any, name: str = "x") -> "torch.Tensor":
    """Check one array of embeddings and return its rows at unit length: a new float32 tensor on the input's device.

    The row x_i becomes x_i / ||x_i||, computed in float64 after division by its largest entry, so that no float type
    overflows or underflows. Takes what NumPy can make an array of real numbers (n, d) with n >= 2, and torch tensors.
    A row that has unit length to float32 precision stays as it is. ``name`` stands in the error, a ``PairsError``.

    >>> unit_rows([[3, 4], [0, 1e-300]]).tolist()
    [[0.6..., 0.8...], [0.0, 1.0]]
    """
    matrix = _matrix(x, name)
    if len(matrix) < 2:
        raise PairsError(f"at least 2 rows of {name} are needed; got {len(matrix)}")
    return _normalize(matrix, name)


def unit_pair(x: Any, y: Any) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Check two arrays of paired embeddings, both (n, d), and return their unit rows, both on the device of x."""
    a, b = _matrix(x, "x"), _matrix(y, "y")
    if a.shape != b.shape:
        raise PairsError(
            f"Expected x and y of the same shape (n, d); got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if len(a) < 2:
        raise PairsError(f"at least 2 pairs are needed; got {len(a)}")
    unit_x = _normalize(a, "x")
    return unit_x, _normalize(b, "y").to(unit_x.device)


def _matrix(x: Any, name: str) -> "np.ndarray | torch.Tensor":
    """Return x as a NumPy array or tensor (n, d) of real numbers, not yet converted or copied."""
    import torch

    a: Any  # an array or a tensor
    if isinstance(x, torch.Tensor):
        a, real = x.detach(), not x.is_complex()
        a = a.cpu() if a.device.type == "mps" else a  # no float64 there
    else:
        try:
            a = np.asarray(x)
        except Exception as error:
            raise PairsError(
                f"Expected {name} as an array (n, d); got {type(x).__name__} ({error})"
            ) from None
        real = a.dtype.kind in "biuf"
    if not real:
        got = f"dtype {a.dtype}" if isinstance(x, np.ndarray | torch.Tensor) else type(x).__name__
        raise PairsError(f"Expected {name} as an array (n, d) of real numbers; got {got}")
    if a.ndim != 2 or a.shape[1] == 0:
        raise PairsError(f"Expected {name} of shape (n, d); got {tuple(a.shape)}")
    return a


def _normalize(a: "np.ndarray | torch.Tensor", name: str) -> "torch.Tensor":
    import torch

    device = "cpu" if isinstance(a, np.ndarray) else a.device
    unit = torch.empty(tuple(a.shape), dtype=torch.float32, device=device)
    peak = torch.empty(
        (len(a), 1), dtype=torch.float64, device=device
    )  # largest magnitude of each row
    for start in range(0, len(a), BLOCK):
        rows = a[start : start + BLOCK]
        block = (
            torch.from_numpy(rows.astype(np.float64))
            if isinstance(rows, np.ndarray)
            else rows.double()
        )
        top = peak[start : start + BLOCK] = block.abs().amax(1, keepdim=True)
        scaled = block / top
        norm = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        already = (norm * top - 1).abs() <= torch.finfo(torch.float32).eps
        unit[start : start + BLOCK] = torch.where(already, block, scaled / norm)
    bad = (~peak[:, 0].isfinite()).nonzero()[:, 0].tolist()
    if bad:
        count = f"{len(bad)} row{'s' if len(bad) > 1 else ''}"
        raise PairsError(
            f"{name} has non-finite values in {count} (first: {bad[0]}); drop or recompute these pairs"
        )
    zero = (peak[:, 0] == 0).nonzero()[:, 0].tolist()
    if zero:
        more = f" (and {len(zero) - 1} more)" if len(zero) > 1 else ""
        raise PairsError(
            f"row {zero[0]} of {name} has zero norm{more} and so no direction; drop or recompute the pair"
        )
    return unit


@dataclass(frozen=True, eq=False, repr=False)
class PairedEmbeddings:
    """Two sets of embeddings of the same n things: row i of x and row i of y belong together.

    x and y become read-only float32 arrays (n, d) with rows of unit length; the input is copied, never changed.
    ``modalities`` names the two sides, ``captions`` may name each pair. Raises ``PairsError`` for anything else.

    >>> pairs = PairedEmbeddings([[1, 0], [0, 2]], [[3, 4], [0, 5]], captions=["right", "up"])
    >>> pairs, pairs.y[0].round(3).tolist()
    (PairedEmbeddings(2 pairs of image and text, 2 dimensions), [0.6..., 0.8...])
    """

    x: np.ndarray
    y: np.ndarray
    modalities: tuple[str, str] = ("image", "text")
    captions: tuple[str, ...] | None = None
    source: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        """Check everything, bring the rows to unit length and freeze them."""
        for name, rows in zip("xy", unit_pair(self.x, self.y), strict=True):
            array = rows.cpu().numpy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        modalities = (
            (self.modalities,) if isinstance(self.modalities, str) else tuple(self.modalities)
        )
        if len(modalities) != 2 or not all(isinstance(word, str) and word for word in modalities):
            raise PairsError(
                f"Expected modalities as two names, such as ('image', 'text'); got {self.modalities!r}"
            )
        object.__setattr__(self, "modalities", modalities)
        if self.captions is not None:
            captions = (
                ()
                if isinstance(self.captions, str)
                else tuple(str(caption) for caption in self.captions)
            )
            if len(captions) != len(self.x):
                raise PairsError(
                    f"Expected {len(self.x)} captions, one for each pair; got {len(captions)}"
                )
            object.__setattr__(self, "captions", captions)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.x)

    def __repr__(self) -> str:
        """Say what the pairs are, without their numbers."""
        n, d = self.x.shape
        origin = f", from {self.source}" if self.source else ""
        return f"PairedEmbeddings({n} pairs of {' and '.join(self.modalities)}, {d} dimensions{origin})"

    @classmethod
    def from_arrays(cls, x: Any, y: Any, **meta: Any) -> "PairedEmbeddings":
        """Make pairs of two arrays (n, d): NumPy, torch on any device, lists; ``meta`` are the other fields."""
        return cls(x, y, **meta)

    def subset(self, indices: slice | Sequence[int] | np.ndarray) -> "PairedEmbeddings":
        """Return the pairs at these indices (a slice, a list of integers or a boolean mask), at least 2 of them."""
        try:
            chosen = np.arange(len(self))[indices].reshape(-1)
        except IndexError as error:
            raise PairsError(f"Expected indices of {len(self)} pairs; {error}") from None
        captions = self.captions and tuple(self.captions[i] for i in chosen)
        return replace(self, x=self.x[chosen], y=self.y[chosen], captions=captions)

    @classmethod
    def load(cls, path: str | os.PathLike[str], **meta: Any) -> "PairedEmbeddings":
        """Read pairs from ``.npz`` or ``.safetensors`` with x and y, or from ``.npy`` of shape (2, n, d).

        ``meta`` (modalities, captions, source, license) overrides what the file says. Pickled files are refused.
        Raises ``PairsError`` for a file that is missing, damaged or of another kind.
        """
        path = Path(path)
        if not path.is_file():
            raise PairsError(
                f"Expected a file; {path} {'is a folder' if path.is_dir() else 'does not exist'}"
            )
        arrays = read_arrays(path)
        if not {"x", "y"} <= arrays.keys():
            got = ", ".join(sorted(arrays)) or "none"
            raise PairsError(
                f"Expected the keys x and y in {path}; got {got}: name two of them (shell: --columns X Y)"
            )
        said: dict[str, Any] = {"source": path.name}
        with contextlib.suppress(
            ValueError, TypeError
        ):  # another program's file says nothing, or something else
            said |= json.loads(str(arrays.get("meta")))
        return cls(
            arrays["x"], arrays["y"], **{key: said[key] for key in META if key in said} | meta
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to ``.npz``, ``.safetensors`` or ``.npy`` (arrays only), whole or not at all.

        The file is written beside its place and then moved there, so that a full disk or an interruption leaves an
        earlier file as it was. Raises ``PairsError`` for another suffix, ``OSError`` where writing fails.
        """
        path, content = Path(path), io.BytesIO()
        meta = json.dumps({key: getattr(self, key) for key in META})
        if path.suffix == ".npz":
            np.savez(content, x=self.x, y=self.y, meta=np.array(meta))
        elif path.suffix == ".npy":
            np.save(content, np.stack([self.x, self.y]))
        elif path.suffix == ".safetensors":
            content.write(safetensors.numpy.save({"x": self.x, "y": self.y}, {"meta": meta}))
        else:
            raise PairsError(f"Expected a path ending in {', '.join(SUFFIXES)}; got {path}")
        write_whole(path, content.getvalue())


def read_arrays(path: Path) -> dict[str, Any]:
    """Return what a file holds, by key: ``.npz``, ``.safetensors`` (its meta data too), or x and y of an ``.npy``."""
    from safetensors import safe_open

    if path.suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise PairsError(
            f"Expected a file ending in {known}, since others may be pickled, and {UNSAFE}; got {path}"
        )
    if not path.stat().st_size:
        raise PairsError(f"{path} is empty: write it again")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return (file.metadata() or {}) | {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        content = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            return dict(content)
    except (
        Exception
    ) as error:  # NumPy, zipfile, zlib and safetensors each have their own for a damaged file
        start = path.read_bytes()[:8]
        if start[:1] == b"\x80" or "Object arrays" in str(error):
            raise PairsError(
                f"{path} holds pickled objects, and {UNSAFE}: save plain numbers with np.savez"
            ) from None
        raise PairsError(
            f"{path} is damaged or not a {path.suffix} file: it starts with {start!r} ({error})"
        ) from None
    if np.ndim(content) != 3 or len(content) != 2:
        raise PairsError(
            f"Expected one array of shape (2, n, d) in {path}; got {np.shape(content)}"
        )
    return {"x": content[0], "y": content[1]}


def load_pairs(name: str, seed: int = 0) -> PairedEmbeddings:
    """Load a source by name: bundled at once, published ones from ``GAPBOOK_DATA``, the cache or the internet.

    ``seed`` chooses the training run of a bundled source (0, 1, 2); published sources have one run, seed 0.
    Raises ``FetchError`` for an unknown name (with the nearest) or a file that cannot be had, ``PairsError`` for an
    unknown seed.
    """
    entry, arrays = registry_entry(name), read_arrays(fetch(name))
    captions: Any = None
    if "url" in entry:
        arrays = {"x.0": arrays["x"], "y.0": arrays["y"]}
    else:
        captions = characters().set_index("split").loc["test", "name"]
    seeds = sorted(key.removeprefix("x.") for key in arrays if key.startswith("x."))
    if str(seed) not in seeds:
        raise PairsError(f"{name} has no seed {seed!r}; its seeds are {', '.join(seeds)}")
    x, y = arrays[f"x.{seed}"], arrays[f"y.{seed}"]
    return PairedEmbeddings(
        x, y, tuple(entry["modalities"]), captions, source=name, license=entry["license"]
    )


def available_pairs() -> pd.DataFrame:
    """Return one row for each source: name, modalities, n, d, available, where, license.

    ``where`` is "bundled", "cached" or "GAPBOOK_DATA" for a source at hand, else the command that gets it.

    >>> available_pairs().set_index("name").loc["clip-coco", ["n", "d"]].tolist()
    [500, 512]
    """
    rows = []
    for name, entry in registry().items():
        found = locate(name)
        where = found[0] if found else load_command(name) if "url" in entry else "make glyphclip"
        row = [
            name,
            "/".join(entry["modalities"]),
            *entry["shape"][1:],
            found is not None,
            where,
            entry["license"],
        ]
        rows.append(row)
    return pd.DataFrame(
        rows, columns=["name", "modalities", "n", "d", "available", "where", "license"]
    )


def load_command(name: str) -> str:
    """Return the command that gets a published source."""
    return f"gapbook fetch {name}"

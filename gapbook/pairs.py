"""The one gate for input: checked, unit-length pairs from arrays, files or named sources."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import safetensors.numpy
from numpy.typing import ArrayLike

from gapbook.array_files import (
    array_names,
    dequantized_sides,
    read_input,
    read_pairs,
    suffix_of,
)
from gapbook.checks.arrays import plain_matrix, unreadable
from gapbook.checks.memory import require_memory
from gapbook.checks.metadata import METADATA, is_modality, whole_characters
from gapbook.exceptions import FetchError, PairsError, nearest, quoted
from gapbook.files import path_text, write_whole
from gapbook.glyphs import characters
from gapbook.published import embedding_sources, fetch, kind_of, locate, registry_entry

if TYPE_CHECKING:
    import torch

# Rows that are checked at once, few enough for the processor's cache, and numbers in them at most.
ROWS_PER_BLOCK = 512
NUMBERS_PER_BLOCK = 2**20
# Of float64, whose largest number is below 2^1024 and whose smallest normal one is 2^-1022.
EXPONENTS_OF_DOUBLE = 1000
SAVED_SUFFIXES = (".npz", ".npy", ".safetensors")


def unit_rows(x: ArrayLike, name: str = "x") -> "torch.Tensor":
    """Check one array of embeddings and return its rows at unit length.

    Parameters
    ----------
    x : array (n, d)
        What NumPy can make an array of real numbers, with n >= 2, a torch tensor on any device, a
        sparse array, or a column (such as a pandas Series) with a vector in each cell. Booleans and
        integers of 8 bits are refused: they are packed bits, or steps of a quantizer.
    name : str
        What error messages call the array.

    Returns
    -------
    tensor (n, d)
        The rows ``x_i / |x_i|``: a new float32 tensor on the input's device.

    Raises
    ------
    PairsError
        If x is not an array of real numbers (the message names its kind, such as a masked array),
        has too few rows, or has a row that is not finite or has no direction.

    Notes
    -----
    Norms are computed in float64 after division by the largest entry of the row, so that no float
    type overflows or underflows. A row that has unit length to float32 precision stays as it is.

    Examples
    --------
    >>> unit_rows([[3, 4], [0, 1e-300]]).tolist()
    [[0.6..., 0.8...], [0.0, 1.0]]
    """
    matrix = plain_matrix(x, name)
    if len(matrix) < 2:
        raise PairsError(f"at least 2 rows of {name} are needed; got {len(matrix)}")
    return _normalize(matrix, name)


def unit_pair(
    x: ArrayLike, y: ArrayLike, at_least: int = 2
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Check two arrays of paired embeddings and return the rows of both at unit length.

    Parameters
    ----------
    x, y : array (n, d)
        What ``unit_rows`` takes; row i of x belongs to row i of y.
    at_least : int
        The smallest number of pairs.

    Returns
    -------
    tuple of two tensors (n, d)
        New float32 tensors, both on the device of x.

    Raises
    ------
    PairsError
        If one of them is not an array of embeddings, if they differ in shape, or for too few pairs.

    Examples
    --------
    >>> x, y = unit_pair([[3, 0], [0, 2]], [[1, 0], [0, 1]])
    >>> x.equal(y)
    True
    """
    a = plain_matrix(x, "x")
    b = plain_matrix(y, "y")
    if a.shape != b.shape:
        raise PairsError(
            f"Expected x and y of the same shape (n, d); got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if len(a) < at_least:
        pairs = "1 pair is" if at_least == 1 else f"{at_least} pairs are"
        raise PairsError(f"at least {pairs} needed; got {len(a)}")
    unit_x = _normalize(a, "x")
    unit_y = _normalize(b, "y")
    return unit_x, unit_y.to(unit_x.device)


def _normalize(matrix: "np.ndarray | torch.Tensor", name: str) -> "torch.Tensor":
    """Return the rows at unit length, and refuse rows that are not finite or zero."""
    import torch

    n, d = matrix.shape
    require_memory(4 * n * d, f"{name} of shape ({n}, {d}) at unit length")
    device = "cpu" if isinstance(matrix, np.ndarray) else matrix.device
    try:
        unit = torch.empty((n, d), dtype=torch.float32, device=device)
        largest = torch.empty((n, 1), dtype=torch.float64, device=device)
        step = max(1, min(ROWS_PER_BLOCK, NUMBERS_PER_BLOCK // d))
        for start in range(0, n, step):
            rows = slice(start, start + step)
            block = _in_double(matrix[rows])
            largest[rows] = block.abs().amax(1, keepdim=True)
            scaled = block / largest[rows]
            norm = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
            has_unit_length = (norm * largest[rows] - 1).abs() <= torch.finfo(torch.float32).eps
            unit[rows] = torch.where(has_unit_length, block, scaled / norm)
        _require_directions(largest[:, 0], name)
    except PairsError:
        raise
    # What some kinds of tensors do not implement, or no room for the result.
    except Exception as error:
        raise unreadable(matrix, name, error) from None
    return unit


def _in_double(block: "np.ndarray | torch.Tensor") -> "torch.Tensor":
    """Return some rows as a tensor of float64."""
    import torch

    if not isinstance(block, np.ndarray):
        return block.double()
    if block.dtype.itemsize > np.dtype(np.float64).itemsize:
        # Powers of 2 bring the largest entry of each row near 1, into the range of float64.
        _, exponents = np.frexp(np.abs(block).max(axis=1, keepdims=True))
        beyond = np.abs(exponents) > EXPONENTS_OF_DOUBLE
        with np.errstate(invalid="ignore"):
            block = np.where(beyond, np.ldexp(block, -exponents), block)
    with np.errstate(invalid="ignore"):
        return torch.from_numpy(block.astype(np.float64))


def _require_directions(largest: "torch.Tensor", name: str) -> None:
    """Raise ``PairsError`` where the largest magnitude of a row is not finite or zero."""
    infinite = ~largest.isfinite()
    count = int(infinite.sum())
    if count:
        rows = "1 row" if count == 1 else f"{count} rows"
        raise PairsError(
            f"{name} has non-finite values in {rows} (first: {_first(infinite)}); "
            "drop or recompute these pairs"
        )
    zero = largest == 0
    count = int(zero.sum())
    if count:
        more = f" (and {count - 1} more)" if count > 1 else ""
        raise PairsError(
            f"row {_first(zero)} of {name} has zero norm{more} and so no direction; "
            "drop or recompute the pair"
        )


def _first(mask: "torch.Tensor") -> int:
    """Return the index of the first true entry."""
    return int(mask.byte().argmax())


@dataclass(frozen=True, eq=False, repr=False)
class PairedEmbeddings:
    """Two sets of embeddings of the same n things: row i of x and row i of y belong together.

    Parameters
    ----------
    x, y : array (n, d)
        The embeddings of both sides, n >= 2. They become read-only float32 arrays with rows of unit
        length; the input is copied, never changed.
    modalities : tuple of str
        The names of the two sides: different, printable, of at most 80 characters.
    captions : sequence of str, optional
        A name for each pair.
    source : str
        Where the pairs come from.
    license : str
        The license that they are under.

    Raises
    ------
    PairsError
        If anything is not as it should be. The message says what was expected and what came.

    Examples
    --------
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
        object.__setattr__(self, "modalities", _checked_modalities(self.modalities))
        object.__setattr__(self, "captions", _checked_captions(self.captions, len(self.x)))
        object.__setattr__(self, "source", _checked_text(self.source, "source"))
        object.__setattr__(self, "license", _checked_text(self.license, "license"))

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        n, d = self.x.shape
        names = " and ".join(self.modalities)
        origin = f", from {self.source}" if self.source else ""
        return f"PairedEmbeddings({n} pairs of {names}, {d} dimensions{origin})"

    @classmethod
    def from_arrays(cls, x: ArrayLike, y: ArrayLike, **metadata: Any) -> "PairedEmbeddings":
        """Make pairs of two arrays.

        Parameters
        ----------
        x, y : array (n, d)
            NumPy arrays, torch tensors on any device, or lists.
        **metadata
            The other fields: ``modalities``, ``captions``, ``source``, ``license``.

        Returns
        -------
        PairedEmbeddings
            The checked pairs.

        Raises
        ------
        PairsError
            If the arrays are not pairs of embeddings, or a field is not as it should be.
        """
        return cls(x, y, **metadata)  # type: ignore[arg-type]  # checked on entry

    def subset(self, indices: slice | Sequence[int] | np.ndarray) -> "PairedEmbeddings":
        """Return some of the pairs, with their captions.

        Parameters
        ----------
        indices : slice, sequence of int or boolean mask (n,)
            Which pairs, and in which order; at least 2 of them.

        Returns
        -------
        PairedEmbeddings
            The chosen pairs, with the same modalities, source and license.

        Raises
        ------
        PairsError
            If an index is out of range, or fewer than 2 pairs are chosen.
        """
        try:
            chosen = np.arange(len(self))[indices].reshape(-1)
        except IndexError as error:
            raise PairsError(f"Expected indices of {len(self)} pairs; {error}") from None
        captions = None
        if self.captions is not None:
            captions = tuple(self.captions[i] for i in chosen)
        return replace(self, x=self.x[chosen], y=self.y[chosen], captions=captions)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        other_path: str | os.PathLike[str] | None = None,
        *,
        columns: Sequence[str] | None = None,
        long_table: Sequence[str] | None = None,
        dequantize: Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]] | None = None,
        **metadata: Any,
    ) -> "PairedEmbeddings":
        """Read pairs from a file, or from two files with a side each.

        Parameters
        ----------
        path : str or path
            A ``.npz`` or ``.safetensors`` file with two arrays (n, d); a ``.parquet``, ``.arrow``
            or ``.feather`` file with two columns of vectors; ``.jsonl``, ``.ndjson`` or ``.csv``
            with two lists of JSON in each line; a ``.pt`` or ``.pth`` file with a dict of tensors
            (read with ``weights_only``, by torch 2.6 or later); or a ``.npy`` file of one array
            (2, n, d). The ending may be in capitals. Pickled files are refused; nothing else that
            lies in the file is opened. Or a folder: that of clip-retrieval, with
            ``img_emb/img_emb_0.npy`` and ``text_emb/text_emb_0.npy``, or that of ``save_to_disk``
            of ``datasets``.
        other_path : str or path, optional
            A second file. Then each file holds one side: ``path`` that of x, ``other_path`` that of
            y, row i of one belonging to row i of the other. A ``.npy`` file has the shape (n, d);
            a ``.csv`` file may hold numbers alone; any other has one array of shape (n, d), or one
            that ``columns`` names.
        columns : sequence of two str, optional
            The names of the two arrays or columns, x and y by default; of two files, a name for
            each, which may be the same. An ``.npy`` file has no names.
        long_table : sequence of three str, optional
            The names of the columns of vectors, modalities and ids, where each row of a table
            holds one vector. Rows of two modalities are paired by their ids; ``modalities`` says
            which two, if there are more.
        dequantize : (low, high), or mapping of "x" and "y" to (low, high), optional
            The range that integers of 8 bits stand for, as numbers or arrays (d,): the step q is
            ``low + (high - low) (q + o) / 255``, with o = 128 for int8 and 0 for uint8. Without
            it they are refused.
        **metadata
            ``modalities``, ``captions``, ``source`` and ``license``, in the place of what the file
            says about itself under the name ``meta``. Of that, what is not valid (other programs
            may use this name) is left out.

        Returns
        -------
        PairedEmbeddings
            The checked pairs. ``source`` is the name of the file, unless it or ``metadata`` says
            otherwise.

        Raises
        ------
        PairsError
            If the file is missing, damaged, pickled or of another kind, or what it holds is not
            pairs of embeddings.
        ColumnsError
            If the file does not have these arrays: a ``PairsError``.
        MissingPackageError
            If a Parquet or Arrow file needs pyarrow and it is not installed.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/images.npy", [[1.0, 0.0], [0.0, 2.0]])
        ...     np.save(f"{folder}/texts.npy", [[3.0, 4.0], [0.0, 5.0]])
        ...     PairedEmbeddings.load(f"{folder}/images.npy", f"{folder}/texts.npy")
        PairedEmbeddings(2 pairs of image and text, 2 dimensions, from images.npy and texts.npy)
        """
        other = None if other_path is None else Path(other_path)
        source = read_input(Path(path), other, columns, long_table, metadata.get("modalities"))
        x = source.x
        y = source.y
        if dequantize is not None:
            x, y = dequantized_sides(x, y, dequantize)
        return cls(x, y, **source.metadata | metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pairs to a file, whole or not at all.

        The file is written beside its place and then moved there, so that a full disk or an
        interruption leaves an earlier file as it was.

        Parameters
        ----------
        path : str or path
            A path that ends in ``.npz``, ``.safetensors`` or ``.npy``. The last holds arrays only.

        Raises
        ------
        PairsError
            If the path has another ending.
        OSError
            If writing fails.
        """
        path = Path(path)
        content = io.BytesIO()
        metadata = json.dumps({key: getattr(self, key) for key in METADATA})
        suffix = suffix_of(path)
        if suffix == ".npz":
            np.savez(content, x=self.x, y=self.y, meta=np.array(metadata))
        elif suffix == ".npy":
            np.save(content, np.stack([self.x, self.y]))
        elif suffix == ".safetensors":
            content.write(safetensors.numpy.save({"x": self.x, "y": self.y}, {"meta": metadata}))
        else:
            raise PairsError(
                f"Expected a path ending in {', '.join(SAVED_SUFFIXES)}; got {path_text(path)}"
            )
        write_whole(path, content.getvalue())


def _checked_modalities(modalities: Sequence[str]) -> tuple[str, str]:
    names = (modalities,) if isinstance(modalities, str) else tuple(modalities)
    if len(names) != 2 or not all(map(is_modality, names)) or names[0] == names[1]:
        raise PairsError(
            "Expected modalities as two different printable names, such as ('image', 'text'); "
            f"got {quoted(modalities)}"
        )
    return names


def _checked_captions(captions: Sequence[str] | None, n: int) -> tuple[str, ...] | None:
    if captions is None:
        return None
    # One string is not a sequence of captions.
    texts = () if isinstance(captions, str) else tuple(str(caption) for caption in captions)
    if len(texts) != n:
        raise PairsError(f"Expected {n} captions, one for each pair; got {len(texts)}")
    return tuple(whole_characters(text) for text in texts)


def _checked_text(text: str, field: str) -> str:
    if not isinstance(text, str):
        raise PairsError(f"Expected {field} as text; got {quoted(text)}")
    return whole_characters(text)


def load_pairs(name: str, seed: int = 0) -> PairedEmbeddings:
    """Load a source of embeddings by name.

    Bundled sources load at once; published ones come from the folder that ``GAPBOOK_DATA`` names,
    the cache or the internet.

    Parameters
    ----------
    name : str
        A name that ``available_pairs`` lists.
    seed : int
        The training run of GlyphCLIP: 0, 1 or 2. All other sources have one run, seed 0.

    Returns
    -------
    PairedEmbeddings
        The pairs, with captions where these are bundled as well.

    Raises
    ------
    FetchError
        If the name is unknown (the message suggests the nearest), or the file cannot be had.
    PairsError
        If the source has no such seed.
    """
    entry = registry_entry(name)
    if kind_of(entry) != "embeddings":
        raise FetchError(
            f"{name} is no source of embeddings but of kind {kind_of(entry)}; "
            f"{nearest(name, embedding_sources())}"
        )
    path = fetch(name)
    captions = None
    if "captions" in entry:
        table = characters()
        captions = tuple(table.loc[table["split"] == "test", "name"])
    if "url" in entry:
        seeds = ["0"]
        columns = ("x", "y")
    else:
        names = array_names(path)
        first, second = entry.get("tensors", ("x", "y"))
        seeds = sorted(
            key.removeprefix(f"{first}.") for key in names if key.startswith(f"{first}.")
        )
        columns = (f"{first}.{seed}", f"{second}.{seed}")
    if str(seed) not in seeds:
        raise PairsError(f"{name} has no seed {seed!r}; its seeds are {', '.join(seeds)}")
    x, y = read_pairs(path, columns)
    return PairedEmbeddings(
        x,
        y,
        tuple(entry["modalities"]),
        captions,
        source=name,
        license=entry["license"],
    )


def available_pairs() -> pd.DataFrame:
    """Return a row for each source of embeddings, and where it lies.

    Returns
    -------
    pandas.DataFrame
        The columns are ``name``, ``modalities``, ``n``, ``d``, ``available``, ``where`` and
        ``license``. ``where`` is "bundled", "cached" or "GAPBOOK_DATA" for a source at hand, else
        the command that gets it.

    Examples
    --------
    >>> available_pairs().set_index("name").loc["clip-coco", ["n", "d"]].tolist()
    [500, 512]
    """
    rows = []
    for name, entry in embedding_sources().items():
        place = locate(name)
        if place is not None:
            where = place[0]
        elif "url" in entry:
            where = load_command(name)
        else:
            where = "make precomputed NAME=glyphclip"
        n, d = entry["shape"][1:]
        modalities = "/".join(entry["modalities"])
        rows.append((name, modalities, n, d, place is not None, where, entry["license"]))
    columns = ["name", "modalities", "n", "d", "available", "where", "license"]
    return pd.DataFrame(rows, columns=columns)


def load_command(name: str) -> str:
    """Return the command that gets a published source."""
    return f"gapbook fetch {name}"

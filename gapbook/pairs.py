"""The one gate for input: checked, unit-length pairs from arrays, files or named sources."""

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.numpy
from array_api_compat import array_namespace, device
from numpy.typing import ArrayLike

from gapbook.array_files import (
    array_names,
    read_input,
    read_pairs,
    suffix_of,
)
from gapbook.checks.arrays import plain_matrix, unreadable
from gapbook.checks.memory import require_memory
from gapbook.checks.metadata import GROUPS, METADATA, is_modality, whole_characters
from gapbook.exceptions import FetchError, PairsError, nearest, quoted
from gapbook.files import path_text, write_whole
from gapbook.glyphs import characters
from gapbook.groups import checked_groups, first_rows, flat_pairs
from gapbook.published import embedding_sources, fetch, kind_of, locate, registry_entry

# A NumPy array or a torch tensor.
Array = Any

EPS = float(np.finfo(np.float32).eps)

# Rows that are checked at once, few enough for the processor's cache, and numbers in them at most.
ROWS_PER_BLOCK = 512
NUMBERS_PER_BLOCK = 2**20
# Of float64, whose largest number is below 2^1024 and whose smallest normal one is 2^-1022.
EXPONENTS_OF_DOUBLE = 1000
SAVED_SUFFIXES = (".npz", ".npy", ".safetensors")
# Between rows of x in a group: what 16 bits round, or batches of another size.
SAME_ROW = 1e-3


def unit_rows(x: ArrayLike, name: str = "x") -> Array:
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
    array or tensor (n, d)
        The rows ``x_i / |x_i|`` in float32: a new tensor on the device of a tensor, for all else a
        new NumPy array.

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


def unit_pair(x: ArrayLike, y: ArrayLike, at_least: int = 2) -> tuple[Array, Array]:
    """Check two arrays of paired embeddings and return the rows of both at unit length.

    Parameters
    ----------
    x, y : array (n, d)
        What ``unit_rows`` takes; row i of x belongs to row i of y.
    at_least : int
        The smallest number of pairs.

    Returns
    -------
    tuple of two arrays or tensors (n, d)
        New NumPy arrays in float32; where x or y is a tensor, two tensors on the device of x.

    Raises
    ------
    PairsError
        If one of them is not an array of embeddings, if they differ in shape, or for too few pairs.

    Examples
    --------
    >>> x, y = unit_pair([[3, 0], [0, 2]], [[1, 0], [0, 1]])
    >>> bool((x == y).all())
    True
    """
    a = plain_matrix(x, "x")
    b = plain_matrix(y, "y")
    if a.shape != b.shape:
        advice = ""
        if a.shape[1] == b.shape[1]:
            advice = (
                ": bring both sides to the same rows in the same order, or, if an image has "
                "several captions, name their ids (from_groups, in the shell --groups)"
            )
        raise PairsError(
            "Expected x and y of the same shape (n, d); got "
            f"{tuple(a.shape)} and {tuple(b.shape)}{advice}"
        )
    if len(a) < at_least:
        pairs = "1 pair is" if at_least == 1 else f"{at_least} pairs are"
        raise PairsError(f"at least {pairs} needed; got {len(a)}")
    unit_x = _normalize(a, "x")
    unit_y = _normalize(b, "y")
    if isinstance(unit_x, np.ndarray) and isinstance(unit_y, np.ndarray):
        return unit_x, unit_y
    # A tensor on either side makes both tensors.
    xp = array_namespace(unit_y if isinstance(unit_x, np.ndarray) else unit_x)
    unit_x = xp.asarray(unit_x)
    return unit_x, xp.asarray(unit_y, device=device(unit_x))


def _normalize(matrix: Array, name: str) -> Array:
    """Return the rows at unit length, and refuse rows that are not finite or zero."""
    n, d = matrix.shape
    require_memory(4 * n * d, f"{name} of shape ({n}, {d}) at unit length")
    xp = array_namespace(matrix)
    place = device(matrix)
    try:
        unit = xp.empty((n, d), dtype=xp.float32, device=place)
        largest = xp.empty((n, 1), dtype=xp.float64, device=place)
        step = max(1, min(ROWS_PER_BLOCK, NUMBERS_PER_BLOCK // d))
        for start in range(0, n, step):
            rows = slice(start, start + step)
            unit[rows], largest[rows] = _unit_block(_in_double(matrix[rows]))
        _require_directions(largest[:, 0], name)
    except PairsError:
        raise
    # What some kinds of tensors do not implement, or no room for the result.
    except Exception as error:
        raise unreadable(matrix, name, error) from None
    return unit


# Rows that are zero or not finite are refused when all blocks are done.
@np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore")
def _unit_block(block: Array) -> tuple[Array, Array]:
    """Return some rows at unit length in float32, and the largest magnitude of each (n, 1)."""
    xp = array_namespace(block)
    largest = xp.max(xp.abs(block), axis=1, keepdims=True)
    scaled = block / largest
    norm = xp.linalg.vector_norm(scaled, axis=1, keepdims=True)
    has_unit_length = xp.abs(norm * largest - 1) <= EPS
    return xp.astype(xp.where(has_unit_length, block, scaled / norm), xp.float32), largest


def _in_double(block: Array) -> Array:
    """Return some rows in float64."""
    if not isinstance(block, np.ndarray):
        return block.double()
    if block.dtype.itemsize > np.dtype(np.float64).itemsize:
        # Powers of 2 bring the largest entry of each row near 1, into the range of float64.
        _, exponents = np.frexp(np.abs(block).max(axis=1, keepdims=True))
        beyond = np.abs(exponents) > EXPONENTS_OF_DOUBLE
        with np.errstate(invalid="ignore"):
            block = np.where(beyond, np.ldexp(block, -exponents), block)
    with np.errstate(invalid="ignore"):
        return block.astype(np.float64)


def _require_directions(largest: Array, name: str) -> None:
    """Raise ``PairsError`` where the largest magnitude of a row is not finite or zero."""
    infinite = ~array_namespace(largest).isfinite(largest)
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


def _first(mask: Array) -> int:
    """Return the index of the first true entry."""
    return int((mask * 1).argmax())


@dataclass(frozen=True, eq=False, repr=False)
class PairedEmbeddings:
    """Two sets of embeddings of the same n things: row i of x and row i of y belong together.

    Where an image has several captions, its row is there once for each of them, and these rows are
    a group: see ``groups``, and ``from_groups``, which makes such pairs.

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
    groups : array (n,), optional
        Integers or strings, the same one for the pairs of one group: the captions of one image. At
        least 2 are different, and all pairs of a group have the same row of x. They become
        read-only integers from 0, in the order in which groups come.

    Raises
    ------
    PairsError
        If anything is not as it should be. The message says what was expected and what came.

    Notes
    -----
    With groups, a query from x is there once for each group, and any row of y of its group is the
    right answer; a query from y has its group's one row of x as the answer, among the different
    rows of x. Redraws, the parts of a jackknife and the halves on which mitigations are fitted and
    judged hold whole groups. What each measure rests on says ``gapbook.geometry.gap_report``.
    Functions of two arrays know of no groups unless they have a parameter for them.

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
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Check everything, bring the rows to unit length and freeze them."""
        sides = [
            rows if isinstance(rows, np.ndarray) else rows.cpu().numpy()
            for rows in unit_pair(self.x, self.y)
        ]
        if self.groups is not None:
            groups = checked_groups(self.groups, len(sides[0]))
            object.__setattr__(self, "groups", groups)
            sides[0] = _one_row_a_group(sides[0], groups)
        for name, array in zip("xy", sides, strict=True):
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
        if self.groups is not None:
            names += f" in {self.n_groups} groups"
        return f"PairedEmbeddings({n} pairs of {names}, {d} dimensions{origin})"

    @property
    def n_groups(self) -> int:
        """The number of groups; without any, that of pairs."""
        return len(self) if self.groups is None else int(self.groups.max()) + 1

    @classmethod
    def from_arrays(cls, x: ArrayLike, y: ArrayLike, **metadata: Any) -> "PairedEmbeddings":
        """Make pairs of two arrays.

        Parameters
        ----------
        x, y : array (n, d)
            NumPy arrays, torch tensors on any device, or lists.
        **metadata
            The other fields: ``modalities``, ``captions``, ``source``, ``license``, ``groups``.

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

    @classmethod
    def from_groups(
        cls, x: ArrayLike, y: ArrayLike, ids: Sequence[ArrayLike] | None = None, **metadata: Any
    ) -> "PairedEmbeddings":
        """Make pairs of images with several captions each.

        Parameters
        ----------
        x : array (n, d)
            A row for each group, such as the images.
        y : array (n, k, d) or (m, d)
            The k rows of each group, such as its captions; with ids (m, d).
        ids : sequence of one or two arrays, optional
            Integers or strings: the ids of the rows of x and of those of y. Rows of one id belong
            together, and groups may differ in size. One array holds the ids of pairs, where x has
            a row for each row of y.
        **metadata
            ``modalities``, ``source``, ``license``, and ``captions`` for each row of y.

        Returns
        -------
        PairedEmbeddings
            The checked pairs in the order of y, with their groups.

        Raises
        ------
        PairsError
            If it is not clear which rows belong together: an id without a partner or that x has
            more than once, several rows of x in a group, or other numbers of groups.

        Examples
        --------
        >>> captions = [[[3, 1], [2, 1]], [[1, 3], [0, 1]]]
        >>> PairedEmbeddings.from_groups([[1, 0], [0, 1]], captions)
        PairedEmbeddings(4 pairs of image and text in 2 groups, 2 dimensions)
        """
        rows_x, rows_y, groups = flat_pairs(x, y, ids)
        if groups is not None:
            metadata["groups"] = groups
        return cls(rows_x, rows_y, **metadata)

    def one_of_each_group(self) -> "PairedEmbeddings":
        """Return the first pair of each group, without groups; without any, the pairs themselves.

        Returns
        -------
        PairedEmbeddings
            As many pairs as there are groups, in the order in which groups come.

        Examples
        --------
        >>> captions = [[[3, 1], [2, 1]], [[1, 3], [0, 1]]]
        >>> PairedEmbeddings.from_groups([[1, 0], [0, 1]], captions).one_of_each_group().y.tolist()
        [[0.9..., 0.3...], [0.3..., 0.9...]]
        """
        if self.groups is None:
            return self
        return replace(self.subset(first_rows(self.groups)), groups=None)

    def subset(self, indices: slice | Sequence[int] | np.ndarray) -> "PairedEmbeddings":
        """Return some of the pairs, with their captions and groups.

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
        groups = None if self.groups is None else self.groups[chosen]
        return replace(self, x=self.x[chosen], y=self.y[chosen], captions=captions, groups=groups)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        other_path: str | os.PathLike[str] | None = None,
        *,
        columns: Sequence[str] | None = None,
        long_table: Sequence[str] | None = None,
        dequantize: Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]] | None = None,
        groups: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
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
        groups : str, path, or sequence of two of them, optional
            Where the ids of rows are: a ``.npy`` file of integers or strings, or the name of an
            array or column of the input. Two are the ids of x and of y, whose rows belong together
            where they have one id. One is a name in each of two files, or the ids of pairs. y may
            also have the shape (n, k, d), the k rows of each row of x, without any ids. Of a long
            table it is a column, such as that of ids, or a file with an id for each row: rows of
            one value are a group, with one row of the first modality.
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
        stated = metadata.get("modalities")
        source = read_input(Path(path), other, columns, long_table, stated, groups, dequantize)
        return cls.from_groups(source.x, source.y, source.ids, **source.metadata | metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the pairs to a file, whole or not at all.

        The file is written beside its place and then moved there, so that a full disk or an
        interruption leaves an earlier file as it was.

        Parameters
        ----------
        path : str or path
            A path that ends in ``.npz``, ``.safetensors`` or ``.npy``. The last holds arrays only,
            and no groups.

        Raises
        ------
        PairsError
            If the path has another ending, or has no room for groups.
        OSError
            If writing fails.
        """
        path = Path(path)
        content = io.BytesIO()
        stated: dict[str, Any] = {key: getattr(self, key) for key in METADATA}
        if self.groups is not None:
            stated[GROUPS] = self.n_groups
        metadata = json.dumps(stated)
        suffix = suffix_of(path)
        arrays = {"x": self.x, "y": self.y}
        if self.groups is not None:
            arrays[GROUPS] = self.groups
        if suffix == ".npz":
            np.savez(content, **arrays, meta=np.array(metadata))  # type: ignore[arg-type]
        elif suffix == ".npy":
            if self.groups is not None:
                raise PairsError(
                    f"Expected a path ending in .npz or .safetensors, which hold groups; got "
                    f"{path_text(path)}"
                )
            np.save(content, np.stack([self.x, self.y]))
        elif suffix == ".safetensors":
            content.write(safetensors.numpy.save(arrays, {"meta": metadata}))
        else:
            raise PairsError(
                f"Expected a path ending in {', '.join(SAVED_SUFFIXES)}; got {path_text(path)}"
            )
        write_whole(path, content.getvalue())


def _one_row_a_group(x: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return x with the first row of each group in the place of its others, which are the same."""
    repeated = x[first_rows(groups)][groups]
    other = np.flatnonzero(np.abs(x - repeated).max(axis=1) > SAME_ROW)
    if len(other):
        raise PairsError(
            f"Expected one row of x in each group; row {other[0]} is another than the first of its "
            "group: give the side with one row for each group first, or an id for each row of x"
        )
    return repeated


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

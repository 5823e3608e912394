"""Parquet files: columns with a vector in each cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapbook.array_files.checks import FileKind, require_names, require_sane_size
from gapbook.array_files.vector_columns import holds_vectors, vectors
from gapbook.exceptions import PairsError
from gapbook.extras import from_extra
from gapbook.files import path_text

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


class Parquet(FileKind):
    """Columns with a vector in each cell."""

    name = "a Parquet"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names, and open no others."""
        with _open_parquet(path) as file:
            require_names(path, wanted, file.schema_arrow.names)
            _require_sane_columns(path, file, wanted)
            table = file.read(list(wanted))
        return [vectors(table.column(name), name, path) for name in wanted]

    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""
        with _open_parquet(path) as file:
            return list(file.schema_arrow.names)

    def cells(self, path: Path, name: str) -> list[Any]:
        """Return what is in each cell of a column."""
        with _open_parquet(path) as file:
            require_names(path, [name], file.schema_arrow.names)
            _require_sane_columns(path, file, [name])
            return file.read([name]).column(name).to_pylist()

    def ids(self, path: Path, name: str) -> list[Any]:
        """Return the ids of rows, a column by its name."""
        return self.cells(path, name)

    def vector_names(self, path: Path) -> list[str]:
        """Return the names of the columns of lists or tensors."""
        with _open_parquet(path) as file:
            return [field.name for field in file.schema_arrow if holds_vectors(field.type)]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape that the header of an array states."""
        # Without a buffer the whole column would be read.
        with _open_parquet(path, buffer_size=2**16) as file:
            n = int(file.metadata.num_rows)
            if not n:
                return (0, 0)
            first_row = next(file.iter_batches(1, columns=[name]))
            return (n, vectors(first_row.column(0), name, path).shape[1])


def _open_parquet(path: Path, **options: Any) -> "pyarrow.parquet.ParquetFile":
    with from_extra("large", "a Parquet file"):
        import pyarrow.parquet
    try:
        return pyarrow.parquet.ParquetFile(path, **options)
    except UnicodeDecodeError:
        raise PairsError(
            f"{path_text(path)} has a column whose name is not UTF-8, as Parquet asks: rename it"
        ) from None


def _require_sane_columns(
    path: Path, file: "pyarrow.parquet.ParquetFile", wanted: Sequence[str]
) -> None:
    """Refuse columns that unpack to far more than the file has bytes.

    The first row is read, for its size. The metadata of a column have it too, but where they are
    damaged, asking pyarrow for them ends the process.
    """
    packed = path.stat().st_size
    for name in wanted:
        for first_row in file.iter_batches(1, columns=[name]):
            require_sane_size(path, name, file.metadata.num_rows * first_row.nbytes, packed)
            break

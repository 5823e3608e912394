"""Arrow and Feather files, and folders of them that ``datasets`` wrote."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapbook.array_files.checks import FileKind, damaged, require_names
from gapbook.array_files.vector_columns import holds_vectors, vectors
from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.extras import from_extra
from gapbook.files import path_text, require_file

if TYPE_CHECKING:
    import pyarrow

STATE = "state.json"
SPLITS = "dataset_dict.json"


class Arrow(FileKind):
    """Columns with a vector in each cell, in the file format of Arrow or as its stream."""

    name = "an Arrow"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names, and open no others."""
        require_names(path, wanted, self.names(path))
        table = self.table(path, wanted)
        return [vectors(table.column(name), name, path) for name in wanted]

    def names(self, path: Path) -> list[str]:
        """Return the names of all columns."""
        return list(self.schema(path).names)

    def cells(self, path: Path, name: str) -> list[Any]:
        """Return what is in each cell of a column."""
        require_names(path, [name], self.names(path))
        return self.table(path, [name]).column(name).to_pylist()

    def ids(self, path: Path, name: str) -> list[Any]:
        """Return the ids of rows, a column by its name."""
        return self.cells(path, name)

    def vector_names(self, path: Path) -> list[str]:
        """Return the names of the columns of lists or tensors."""
        return [field.name for field in self.schema(path) if holds_vectors(field.type)]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape of a column of vectors."""
        return self.read(path, [name])[0].shape

    def schema(self, path: Path) -> "pyarrow.Schema":
        """Return the names and types of the columns."""
        return _schema(path)

    def table(self, path: Path, names: Sequence[str]) -> "pyarrow.Table":
        """Return some of the columns."""
        return _table(path, names)


class DatasetFolder(Arrow):
    """A folder that ``Dataset.save_to_disk`` wrote: Arrow files in the order of ``state.json``."""

    name = "a dataset"

    def schema(self, path: Path) -> "pyarrow.Schema":
        """Return the names and types of the columns."""
        file = _dataset_files(path)[0]
        return _of_file(file, lambda: _schema(file))

    def table(self, path: Path, names: Sequence[str]) -> "pyarrow.Table":
        """Return some of the columns of all files."""
        import pyarrow

        tables = []
        for file in _dataset_files(path):
            tables.append(_of_file(file, partial(_table, file, names)))
        try:
            return pyarrow.concat_tables(tables)
        except pyarrow.ArrowInvalid:
            raise PairsError(
                f"The files of {path_text(path)} differ in the types of their columns: "
                "write the dataset again with save_to_disk"
            ) from None


def is_dataset_folder(path: Path) -> bool:
    """Say whether ``save_to_disk`` of ``datasets`` wrote a folder, of one dataset or of splits."""
    return (path / STATE).is_file() or (path / SPLITS).is_file()


def _schema(path: Path) -> "pyarrow.Schema":
    with _mapped(path) as source:
        return _opened(source, None).schema


def _table(path: Path, names: Sequence[str]) -> "pyarrow.Table":
    schema = _schema(path)
    require_names(path, names, schema.names)
    with _mapped(path) as source:
        table = _opened(source, [schema.get_field_index(name) for name in names]).read_all()
    # Offsets that lead elsewhere would be followed.
    table.validate(full=True)
    return table


def _mapped(path: Path) -> "pyarrow.MemoryMappedFile":
    with from_extra("large", "an Arrow file"):
        import pyarrow
    return pyarrow.memory_map(str(path))


def _opened(source: "pyarrow.MemoryMappedFile", fields: list[int] | None) -> Any:
    """Return a reader of some columns of a file or, where it is none, of a stream."""
    import pyarrow.ipc

    options = pyarrow.ipc.IpcReadOptions(included_fields=fields)
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    if is_file:
        return pyarrow.ipc.open_file(source, options=options)
    return pyarrow.ipc.open_stream(source, options=options)


def _of_file(file: Path, read: Callable[[], Any]) -> Any:
    """Read one of several files, and name it where it is damaged."""
    try:
        return read()
    except (PairsError, MissingPackageError):
        raise
    # pyarrow has many errors for a damaged file.
    except Exception as error:
        raise damaged(file, Arrow.name, error) from None


def _dataset_files(folder: Path) -> list[Path]:
    """Return the files of a dataset in order, as its state names them."""
    if not (folder / STATE).is_file():
        splits = sorted(path.parent.name for path in folder.glob(f"*/{STATE}"))
        raise PairsError(
            f"{path_text(folder)} holds a dataset for each split: name the folder of one, such as "
            f"{path_text(folder / (splits or ['train'])[0])}"
        )
    state = _state(folder)
    if state.get("_indices_data_files"):
        raise PairsError(
            f"{path_text(folder)} holds rows in another order than its files: write it again with "
            "dataset.flatten_indices().save_to_disk(folder)"
        )
    try:
        names = [str(entry["filename"]) for entry in state["_data_files"]]
    except (KeyError, TypeError):
        names = []
    if not names:
        raise PairsError(
            f"Expected the names of Arrow files in {path_text(folder / STATE)}; there are none: "
            "write the dataset again with save_to_disk"
        )
    files = [folder / Path(name).name for name in names]
    for file in files:
        require_file(file, "an Arrow file that state.json names")
    return files


def _state(folder: Path) -> dict[str, Any]:
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    # No JSON, no text, or too deep.
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        raise PairsError(
            f"Expected a JSON object in {path_text(folder / STATE)}: write the dataset again with "
            "save_to_disk"
        )
    return state

"""What all kinds of files share: sentences for what is wrong, and checks before memory is taken."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gapbook.checks.memory import require_memory, size_text
from gapbook.exceptions import ColumnsError, PairsError, one_line, quoted
from gapbook.files import path_text

UNSAFE = "unpickling can run any code"
# Of foreign text in a message, as much as helps.
REASON_CHARACTERS = 200
# Names of arrays that a message lists.
NAMES_SHOWN = 10
# Arrays that are compressed more than that, and are large, hold one number again and again: files
# of a few bytes may unpack to more than there is memory. DEFLATE reaches 1032.
MAX_COMPRESSION = 200
LARGE_BYTES = 2**28


class FileKind(ABC):
    """A kind of file that holds arrays by name. A damaged one raises what its library raises."""

    name: str

    @abstractmethod
    def read(self, path: Path, wanted: Sequence[str]) -> list[Any]:
        """Return the arrays or tensors of these names, and open no others."""

    @abstractmethod
    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""

    @abstractmethod
    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape of an array from its header."""

    def metadata(self, path: Path, limit: int) -> str | None:
        """Return the text under the name ``meta``, None where there is none or it is too long."""
        return None

    def read_one(self, path: Path, name: str | None, in_groups: bool = False) -> Any:
        """Return one array by its name, or without a name the only one of shape (n, d).

        With ``in_groups`` it may also have the shape (n, k, d).
        """
        if name is None:
            names = self.vector_names(path)
            if in_groups and not names:
                names = [name for name in self.names(path) if self._has_dimensions(path, name, 3)]
            name = only_name(path, names)
        return self.read(path, [name])[0]

    def ids(self, path: Path, name: str) -> Any:
        """Return the ids of rows, an array by its name."""
        return self.read(path, [name])[0]

    def cells(self, path: Path, name: str) -> list[Any]:
        """Return what is in each cell of a column of a table."""
        raise PairsError(
            f"Expected a long table in a .parquet, .arrow, .feather, .jsonl or .csv file; got "
            f"{path_text(path)}: write a column for the vectors, the modality and the id"
        )

    def vector_names(self, path: Path) -> list[str]:
        """Return the names of what has the shape (n, d) by its header."""
        return [name for name in self.names(path) if self._has_dimensions(path, name, 2)]

    def _has_dimensions(self, path: Path, name: str, count: int) -> bool:
        try:
            return len(self.shape(path, name)) == count
        # Each library has its own errors for what is no array.
        except Exception:
            return False


def only_name(path: Path, names: Sequence[str]) -> str:
    """Return the only one of the names, or raise ``ColumnsError`` with them."""
    if len(names) == 1:
        return names[0]
    if not names:
        raise ColumnsError(
            f"Expected an array of shape (n, d) in {path_text(path)}; it has none: write it with "
            "np.save or np.savez"
        )
    raise ColumnsError(
        f"Expected one array of shape (n, d) in {path_text(path)}; it has {names_text(names)}: "
        "name one for each file (columns=, in the shell --columns)"
    )


def names_text(names: Sequence[str]) -> str:
    """Return the first of some names as a message shows them, and how many more there are."""
    shown = ", ".join(name_text(name) for name in names[:NAMES_SHOWN])
    if len(names) > NAMES_SHOWN:
        return f"{shown} and {len(names) - NAMES_SHOWN} more"
    return shown


def damaged(path: Path, name: str, error: Exception) -> PairsError:
    """Return what to raise for a file that a library cannot read, for the reason that it gives."""
    reason = one_line(str(error), REASON_CHARACTERS)
    if isinstance(error, MemoryError):
        return PairsError(f"{path_text(path)} needs more memory than there is ({reason})")
    # pyarrow has errors of this class without a number, for what is damaged.
    if isinstance(error, OSError) and error.errno:
        return PairsError(f"{path_text(path)} cannot be read ({error.strerror})")
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == b"\x80":
        return pickled(path_text(path))
    # NumPy advises to load what may be pickled all the same.
    shown = "" if "pickle" in reason else f" ({reason})"
    return PairsError(
        f"{path_text(path)} is damaged or not {name} file: it starts with {start!r}{shown}"
    )


def pickled(what: str) -> PairsError:
    """Return what to raise for objects that only unpickling would bring back."""
    return PairsError(
        f"{what} holds pickled objects, and {UNSAFE}: save plain numbers with np.savez"
    )


def require_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise ``ColumnsError`` unless a file has each of the wanted names, once."""
    counts = Counter(names)
    if any(name not in counts for name in wanted):
        got = names_text(sorted(counts)) or "none"
        if len(wanted) == 1:
            key = f"the key {name_text(wanted[0])}"
            advice = "name one of them"
        else:
            key = f"the keys {' and '.join(map(name_text, wanted))}"
            advice = f"name {'two' if len(wanted) == 2 else len(wanted)} of them"
        raise ColumnsError(
            f"Expected {key} in {path_text(path)}; "
            f"got {got}: {advice} (columns=, in the shell --columns)"
        )
    for name in wanted:
        if counts[name] > 1:
            raise ColumnsError(
                f"Expected one {name_text(name)} in {path_text(path)}; "
                f"it is there {counts[name]} times: rename or drop the others"
            )


def name_text(name: str) -> str:
    """Return the name of an array as a message shows it: quoted where it is not a plain word."""
    if name.isprintable() and name.strip() == name and 0 < len(name) <= 40:
        return name
    return quoted(name)


def require_sane_size(path: Path, name: str, unpacked: int, packed: int) -> None:
    """Refuse what unpacks to far more than it takes in its file, or than there is memory."""
    if unpacked > LARGE_BYTES and unpacked > MAX_COMPRESSION * packed:
        raise PairsError(
            f"{name_text(name)} in {path_text(path)} takes {size_text(unpacked)} unpacked from "
            f"{size_text(packed)}: embeddings are never so much alike; write it without compression"
        )
    require_memory(unpacked, f"{name_text(name)} in {path_text(path)}")


def require_both_sides(path: Path, shape: Any) -> None:
    """Raise ``PairsError`` unless an array without a name holds both sides, (2, n, d)."""
    # Two sides without a single row.
    if shape == (2, 0) or (len(shape) == 3 and shape[0] == 2):
        return
    advice = "np.save(path, np.stack([x, y])) writes both sides"
    if len(shape) == 2:
        advice = (
            "that is one side, so give two files, one for each (gapbook report images.npy "
            "texts.npy), or write both with np.savez('pairs.npz', x=images, y=texts)"
        )
    raise PairsError(
        f"Expected one array of shape (2, n, d) in {path_text(path)}; got {quoted(shape)}: {advice}"
    )


def require_side_or_groups(path: Path, shape: Any) -> None:
    """Raise ``PairsError`` unless an array holds one side, (n, d) or in groups (n, k, d)."""
    if len(shape) != 3:
        require_one_side(path, shape)


def require_ids(path: Path, shape: Any) -> None:
    """Raise ``PairsError`` unless an array without a name holds an id for each row, (n,)."""
    if len(shape) != 1:
        raise PairsError(
            f"Expected ids of shape (n,) in {path_text(path)}; got {quoted(shape)}: write an "
            "integer or a string for each row with np.save"
        )


def require_one_side(path: Path, shape: Any) -> None:
    """Raise ``PairsError`` unless an array without a name holds one side, (n, d)."""
    if len(shape) == 2:
        return
    advice = "write one row for each pair with np.save"
    if len(shape) == 3 and shape[0] == 2:
        advice = "that is both sides of pairs, so give this file alone"
    elif len(shape) == 3:
        advice = (
            f"that is {shape[1]!r:.20} vectors in a group, so keep one of each, "
            "np.save('texts.npy', texts[:, 0])"
        )
    raise PairsError(
        f"Expected one side of shape (n, d) in {path_text(path)}; got {quoted(shape)}: {advice}"
    )

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
        shown = sorted(counts)[:NAMES_SHOWN]
        got = ", ".join(name_text(name) for name in shown) or "none"
        if len(counts) > NAMES_SHOWN:
            got = f"{got} and {len(counts) - NAMES_SHOWN} more"
        raise ColumnsError(
            f"Expected the keys {' and '.join(map(name_text, wanted))} in {path_text(path)}; "
            f"got {got}: name two of them (columns=, in the shell --columns)"
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

"""Which packages belong to the extras of this package, for messages where one is missing."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from gapbook.exceptions import MissingPackageError

# a requirement in the metadata of a package: name, extras in brackets, versions; extra == "name"
REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(\[(?P<extras>[^]]*)\])?(?P<versions>[^;]*).*extra == ['\"](?P<extra>\w+)"
)


@contextmanager
def from_extra(extra: str, what: str) -> Iterator[None]:
    """Import packages of an extra within a block; a missing one raises a sentence.

    Parameters
    ----------
    extra : str
        Name of the extra, such as ``"models"``.
    what : str
        What needs the packages, for the message.

    Raises
    ------
    MissingPackageError
        If a package is not installed. The message has the command that installs it.

    Examples
    --------
    >>> with from_extra("models", "a model"):
    ...     import no_such_package
    Traceback (most recent call last):
    gapbook.exceptions.MissingPackageError: a model needs no_such_package, which is not installed;
    for all that gapbook[models] needs: python -m pip install 'pillow>=10' 'torch>=2.2'
    'transformers<6,>=5'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise MissingPackageError(
            f"{what} needs {package}, which is not installed; for all that gapbook[{extra}] "
            f"needs: {install_command(extra)}"
        ) from None


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra, by their names.

    It does not name ``gapbook`` itself, which is on no package index.

    Parameters
    ----------
    extra : str
        Name of the extra.

    Returns
    -------
    str
        A command for a shell.

    Examples
    --------
    >>> install_command("models")
    "python -m pip install 'pillow>=10' 'torch>=2.2' 'transformers<6,>=5'"
    """
    return shlex.join(["python", "-m", "pip", "install", *sorted(_packages(extra))])


def _packages(extra: str) -> set[str]:
    """List the requirements of an extra, with those of the extras that it includes."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        stated = requires("gapbook") or []
    except PackageNotFoundError:
        # the sources are used without an installation
        return {f".[{extra}]"}
    packages = set()
    for line in stated:
        match = REQUIREMENT.match(line)
        if match is None or match["extra"] != extra:
            continue
        if match["name"] != "gapbook":
            packages.add(f"{match['name']}{match['versions'].strip()}")
            continue
        for included in match["extras"].split(","):
            packages |= _packages(included.strip())
    return packages

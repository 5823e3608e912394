"""Read a YAML file that people write by hand."""

import reprlib
from pathlib import Path
from typing import Any

import yaml

from gapbook.exceptions import PressError

# libyaml, where it is there, reads a baseline of thousands of lines ten times as fast
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        What it holds, empty for an empty file.

    Raises
    ------
    PressError
        If the file is no YAML, with the line, or holds something else than a mapping of names.
    """
    try:
        content = _load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise PressError(f"{path}{place} cannot be read as YAML: {reason}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise PressError(f"{path} must hold a mapping of names; got {reprlib.repr(content)}")
    return content


def _load(text: str) -> Any:
    try:
        return yaml.load(text, FAST_LOADER)
    except yaml.YAMLError:
        # it says better where and what is wrong
        return yaml.safe_load(text)

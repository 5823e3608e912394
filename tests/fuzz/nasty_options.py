"""Options and paths that a shell can pass to ``gapbook report``, few of them right."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

TEXTS = [
    "",
    " ",
    "x",
    "y",
    "image",
    "größe",
    "图像",
    "صورة",
    "😀",
    "$",
    "$\\frac$",
    "a$x_{$",
    "_hidden",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "\\input{x} % & # _ ^ ~",
    "[a](b) `c` **d** |",
    "\x1b[31mred\x07",
    "\u202eback",
    "two\nlines",
    "caf\udce9",
    "x" * 3000,
    "--quiet",
    "-1",
    "0",
    "None",
]
NUMBERS = ["0", "1", "-1", "2", "0.01", "1e-7", "1e9", "nan", "inf", "1_0", "٣", "4294967295"]
LONG_NUMBERS = ["4294967296", "9" * 30, "9" * 5000, "1e400", "0x10", "", " 5"]
FILE_NAMES = [
    "a",
    "größe",
    "caf\udce9",
    "\x1b[31mred",
    "two\nlines",
    "$\\frac$",
    "<b>&",
    "-dash",
    "x" * 200,
    " ",
]


def texts(count: int) -> Callable[[Random], list[str]]:
    """Return a function that draws so many texts."""
    return lambda random: [random.choice(TEXTS) for _ in range(count)]


def number(random: Random) -> list[str]:
    return [random.choice(NUMBERS * 6 + LONG_NUMBERS + TEXTS)]


def nothing(_: Random) -> list[str]:
    return []


VALUES: dict[str, Callable[[Random], list[str]]] = {
    "--name": texts(1),
    "--modalities": texts(2),
    "--columns": texts(2),
    "--temperature": number,
    "--seed": number,
    "--sample": number,
    "--skip-bad": nothing,
    "--scheduler": texts(1),
    "--debug-": nothing,
    "--no-such-option": nothing,
}
# Those that leave a sound report, most often.
USUAL = ["--name", "--modalities", "--temperature", "--seed"]


def nasty_options(random: Random, folder: Path) -> list[str]:
    """Return options for a report whose outputs, if any, lie in a folder."""
    options = ["--quiet"]
    for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
        option = random.choice(USUAL * 3 + list(VALUES))
        options += [option, *VALUES[option](random)]
    for _ in range(random.choice([0, 1, 1, 2])):
        # A page takes a second, and the others a hundredth.
        suffix = random.choice(
            [".json"] * 8 + [".md"] * 8 + [".tex"] * 8 + [".html"] * 2 + [".JSON", ".pdf"]
        )
        name = random.choice(FILE_NAMES + ["out"] * 10) + suffix
        place = random.choice([folder] * 20 + [folder / "nowhere"])
        options += ["--out", str(place / name)]
    if random.random() < 0.05:
        options += random.choice([["--out"], ["--columns", "x"], ["more"], ["--seed"], ["--"]])
    return options


def nasty_path(random: Random, folder: Path, suffix: str, content: bytes) -> str:
    """Write a file of any name, or make what is no file; return the path."""
    kind = random.randrange(60)
    path = folder / f"{random.choice(FILE_NAMES + ['a'] * 20)}{suffix}"
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(path)
    elif kind == 2:
        path.symlink_to(folder / "nowhere")
    elif kind == 3:
        path.mkdir()
    elif kind == 4:
        return str(folder / "nowhere.npz")
    elif kind == 5:
        return random.choice(["", "/dev/null", str(folder), "\x1b[31m"])
    else:
        path.write_bytes(content)
    return str(path)

"""What several tests need: pairs to draw or load, stand-ins for models, what a figure shows."""

import hashlib
import io
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import torch
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from gapbook.encoders import Checkpoint, pixels, random_clip
from gapbook.exceptions import PairsError
from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs
from gapbook.pairs import unit_pair, unit_rows

# What property tests of measures draw, for ``sample``.
SIZES = {
    "n": st.integers(4, 60),
    "d": st.integers(2, 20),
    "shift": st.sampled_from([0, 0.5, 3, 30]),
    "seed": st.integers(0, 999),
}


def unit(rows):
    """Return rows at unit length, in float64."""
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def exact(rows):
    """Return unit rows as the package sees them, float32, in float64."""
    return np.asarray(unit_rows(rows), np.float64)


def sample(n, d, shift=0.5, seed=0, falling=False):
    """Draw pairs that share a part and differ by a shift: float32 (n, d), not of unit length.

    x moves by ``shift`` in every dimension, y by half of it in the other direction. With
    ``falling``, the variance falls from dimension to dimension as 1 / k.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d))
    y = shared + rng.normal(size=(n, d))
    if falling:
        scale = np.arange(1, d + 1) ** -0.5
        x = scale * x
        y = scale * y
    return (x + shift).astype(np.float32), (y - shift / 2).astype(np.float32)


def sample_pairs(
    n: int, d: int, seed: int = 0, shift: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs as ``sample`` does, of unit length."""
    x, y = sample(n, d, shift, seed)
    return unit(x).astype(np.float32), unit(y).astype(np.float32)


def isotropic(n, d, seed=0):
    """Draw two independent modalities without a cone, float64 (2, n, d), not of unit length."""
    return np.random.default_rng(seed).normal(size=(2, n, d))


def rotation(d, seed=0):
    """Draw an orthogonal matrix (d, d)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def parquet_table(pairs, columns=("x", "y"), fixed=False):
    """Return pairs as a table of Parquet: two columns of vectors, of a fixed length or not."""
    import pyarrow

    width = pairs.x.shape[1] if fixed else -1
    kind = pyarrow.list_(pyarrow.float32(), width)
    arrays = [pyarrow.array(list(side), type=kind) for side in (pairs.x, pairs.y)]
    return pyarrow.table(dict(zip(columns, arrays, strict=True)))


def plain_shift(
    x: np.ndarray, y: np.ndarray, delta: float, sides: str = "both"
) -> tuple[np.ndarray, np.ndarray]:
    """Shift pairs along their gap in float64, as the definition says."""
    share_x, share_y = {"both": (0.5, 0.5), "images": (1, 0), "texts": (0, 1)}[sides]
    x = x.astype(np.float64)
    y = y.astype(np.float64)
    g = x.mean(0) - y.mean(0)
    g /= np.linalg.norm(g)
    return unit(x - share_x * delta * g), unit(y + share_y * delta * g)


def few_glyphs(n: int = 200) -> Glyphs:
    """Take the first characters of the validation part."""
    return load_glyphs().part("validation").subset(range(n))


def glyphs_to_train(n: int) -> Glyphs:
    """Take characters to learn from, and 20 to test on."""
    glyphs = load_glyphs()
    train = np.flatnonzero(glyphs.split == "train")[:n]
    return glyphs.subset(np.sort(np.append(train, np.flatnonzero(glyphs.split == "test")[:20])))


def noisy_image(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Draw a color image of noise, rows by columns."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, size=(*size, 3), dtype=np.uint8))


def small_checkpoint() -> Checkpoint:
    """Wrap an untrained small CLIP, with a preparation and a tokenizer of its own."""

    def prepare(batch, return_tensors):
        images = [image.convert("L").resize((32, 32)) for image in batch]
        return {"pixel_values": pixels(np.stack([np.asarray(image) for image in images]))}

    def tokenize(texts, **_):
        return {"input_ids": torch.as_tensor(caption_tokens(texts))}

    return Checkpoint(random_clip(0, size="small"), prepare, tokenize)


def axis_labels(ax: Axes) -> tuple[str, str]:
    """Return the labels of the horizontal and of the vertical axis."""
    return ax.get_xlabel(), ax.get_ylabel()


def legend_texts(owner: Axes | Figure) -> list[str]:
    """Return what the legend of axes, or the first one of a figure, says."""
    legend = owner.legends[0] if isinstance(owner, Figure) else owner.get_legend()
    return [text.get_text() for text in legend.get_texts()]


def line_points(line: Line2D) -> list[tuple[float, float]]:
    """Return the points of a line, rounded."""
    return [(round(float(x), 6), round(float(y), 6)) for x, y in line.get_xydata()]


def same_color(a: object, b: object) -> bool:
    """Say whether two colors are equal, whatever the form they are written in."""
    return bool(np.allclose(to_rgb(a), to_rgb(b)))


def sha256(content):
    """Return the sha256 of bytes as a registry states it."""
    return hashlib.sha256(content).hexdigest()


def npy_header(shape, descr="<f4"):
    """Return the header of an ``.npy`` file, which may promise what does not follow."""
    file = io.BytesIO()
    content = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, content)
    return file.getvalue()


def npy(array):
    """Return an array as the bytes of an ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    """Write an archive of (name, bytes); a number in the place of bytes is one of zero bytes."""
    with zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive:
        for name, content in members:
            if isinstance(content, bytes):
                archive.writestr(name, content)
                continue
            start, zeros = content
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(start)
                for _ in range(zeros // 2**24):
                    member.write(bytes(2**24))
    return path


def most_memory(function, *arguments):
    """Return the result of a call, or its PairsError, and the most bytes that Python took."""
    tracemalloc.start()
    try:
        result = function(*arguments)
    except PairsError as error:
        result = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return result, peak


def cones(n: int = 60, d: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs in two cones, float32 unit rows: beside the axes, partners share half."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d))
    own = rng.standard_normal((2, n, d))
    axes = 3 * rng.standard_normal((2, 1, d)) / d**0.5 * 2
    x, y = (unit(axis + shared + rest / 2) for axis, rest in zip(axes, own, strict=True))
    return x.astype(np.float32), y.astype(np.float32)


def tensor_pair(x, y):
    """Return both sides of pairs at unit length, as tensors."""
    return unit_pair(torch.as_tensor(np.asarray(x)), torch.as_tensor(np.asarray(y)))


READ_FLIPPED = """
import sys
from pathlib import Path
from gapbook.array_files import read_pairs
from gapbook.checks.arrays import as_numpy
from gapbook.exceptions import PairsError

path = Path(sys.argv[1])
start, step = map(int, sys.argv[2:])
whole = path.read_bytes()
for place in range(start, len(whole), step):
    content = bytearray(whole)
    content[place] ^= 1 << place % 8
    path.write_bytes(content)
    try:
        for side in read_pairs(path):
            as_numpy(side).sum()
    except PairsError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1100
"""


def require_flips_are_survived(path, start=0, step=1):
    """Flip a bit of each byte from ``start`` on, every ``step`` bytes, and read pairs each time.

    It is done in a process of its own, since errors in C++ that a library does not catch end it.
    """
    command = [sys.executable, "-c", READ_FLIPPED, str(path), str(start), str(step)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]

"""Files that are nearly files of pairs: what a disk, a script or a stranger can make of them.

Each function takes a ``random.Random`` and returns the ending of a file and its content, so that a
number makes the same file again. Nothing here is large: what a file claims to hold may be.
"""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import torch

File = tuple[str, bytes]

NAMES = ["x", "y", "meta", "z", "", "x.npy", "../x", "\x1b[31mx\x07", "größe", "x" * 5000, "X", "/"]
# Numbers and texts where others are expected.
SCALARS = [
    None,
    True,
    0,
    -1,
    1e400,
    2**63,
    10**400,
    "",
    "x",
    "\ud800",
    "\x1b[31m",
    "$\\frac$",
    "图",
]
DTYPES = [
    "<f4",
    "<f8",
    ">f4",
    "<f2",
    "<f16",
    "|b1",
    "|u1",
    "<i8",
    ">i2",
    "<c8",
    "<U3",
    "|S3",
    "|O",
    "|V8",
    "<M8[s]",
    "<m8[D]",
    "no type",
    "",
    [("a", "<f4")],
    [("a", "|O")],
]
SHAPES = [
    (),
    (2,),
    (2, 3),
    (2, 3, 4),
    (2, 0, 4),
    (0, 0),
    (2, -3, 4),
    (2, 10**9, 64),
    (2, 2**62, 4),
    (2, 2, 60_000),
    (2.0, 3, 4),
    (True, 3, 4),
    ("2", 3),
    None,
    "shape",
    [2, 3, 4],
    (1,) * 40,
]


# ---- arrays and files of them that are sound


def rows(random: Random) -> np.ndarray:
    """Return both sides of some pairs, (2, n, d), usual or odd."""
    n = random.choice([1, 2, 3, 8, 12, 12])
    d = random.choice([1, 2, 3, 5])
    pairs = np.random.default_rng(random.getrandbits(32)).normal(size=(2, n, d))
    odd = [0, np.nan, np.inf, -np.inf, 1e-320, 1e300, -1e300, 1e38]
    kind = random.randrange(20)
    if kind == 0:
        pairs[random.randrange(2), random.randrange(n), random.randrange(d)] = random.choice(odd)
    elif kind == 1:
        pairs[random.randrange(2), random.randrange(n)] = random.choice(odd)
    elif kind == 2:
        pairs[:] = random.choice([*odd, 1])
    elif kind == 3:
        pairs[:] = pairs[0]
    elif kind == 4:
        pairs[:] = pairs[:, :1]
    elif kind == 5:
        pairs[1] = -pairs[0]
    return pairs


def typed(random: Random, array: np.ndarray) -> np.ndarray:
    """Return an array as another type of number, most often float32."""
    names = ["f4"] * 6 + ["f8", "f2", ">f4", "i4", "u1", "b1", "c8", "U5", "g"]
    with np.errstate(all="ignore"):
        return np.asfortranarray(array).astype(random.choice(names))


def as_float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(array, np.float32)


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def npz(arrays: dict[str, np.ndarray], compressed: bool = False) -> bytes:
    content = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(content, "w", kind) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", npy(array))
    return content.getvalue()


def safetensors(tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    header: dict[str, object] = {}
    content = b""
    for name, array in tensors.items():
        values = as_float32(array)
        place = [len(content), len(content) + values.nbytes]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": place}
        content += values.tobytes()
    if metadata is not None:
        header["__metadata__"] = metadata
    return with_header(header, content)


def with_header(header: object, content: bytes) -> bytes:
    """Put the header of a safetensors file, of any JSON, before its content."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def parquet(columns: list[tuple[str, pa.Array]]) -> bytes:
    content = io.BytesIO()
    names = [name for name, _ in columns]
    pq.write_table(pa.table([array for _, array in columns], names=names), content)
    return content.getvalue()


def sound(random: Random) -> File:
    """Return a file of pairs of any kind, with metadata or without."""
    x, y = rows(random)
    meta = json.dumps({"modalities": ["video", "text"], "captions": ["a"] * len(x)})
    kind = random.randrange(9)
    if kind == 0:
        return ".npy", npy(as_float32(rows(random)))
    if kind > 4:
        return of_table(random, x, y)
    if kind == 1:
        return ".npz", npz({"x": x, "y": y, "meta": np.array(meta)})
    if kind == 2:
        return ".npz", npz({"x": x, "y": y}, compressed=True)
    if kind == 3:
        return ".safetensors", safetensors({"x": x, "y": y}, {"meta": meta})
    return ".parquet", parquet([("x", pa.array(list(x))), ("y", pa.array(list(y)))])


def of_table(random: Random, x: np.ndarray, y: np.ndarray) -> File:
    """Return pairs as text, as an Arrow file or stream, or as tensors of PyTorch."""
    sides = {"x": x.tolist(), "y": y.tolist()}
    kind = random.randrange(5)
    if kind == 0:
        lines = [json.dumps({"x": a, "y": b}) for a, b in zip(*sides.values(), strict=True)]
        return random.choice([".jsonl", ".ndjson"]), "\n".join(lines).encode()
    if kind == 1:
        rows = [f'"{a}","{b}"' for a, b in zip(*sides.values(), strict=True)]
        return ".csv", "\n".join(["x,y", *rows]).encode()
    if kind == 2:
        content = io.BytesIO()
        tensors = {"x": torch.tensor(x), "y": torch.tensor(y)}
        torch.save(tensors, content, _use_new_zipfile_serialization=random.random() < 0.5)
        return random.choice([".pt", ".pth"]), content.getvalue()
    return random.choice([".arrow", ".feather"]), arrow(pa.table(sides), is_file=kind == 3)


def arrow(table: pa.Table, is_file: bool) -> bytes:
    content = io.BytesIO()
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(content, table.schema) as writer:
        writer.write_table(table)
    return content.getvalue()


def odd_text(random: Random) -> File:
    """Return lines of odd JSON, or of CSV with odd cells."""
    values = [json.dumps(json_value(random)) for _ in range(3)]
    values += ["[1, 2]", "[1, null]", "[NaN, 1]", "[" * 5000, "[1e400]", f"[{10**400}]", "", '"']
    if random.random() < 0.5:
        cells = [random.choice(values) for _ in range(4)]
        lines = [f'{{"x": {cells[0]}, "y": {cells[1]}}}', *cells[2:]]
        return ".jsonl", "\n".join(lines).encode("utf-8", "surrogatepass")
    quote = random.choice(['"', "", "'"])
    lines = [random.choice(["x,y", "1,2", "0,1", ",0,1", "x y", "", "nan,inf", "x,x"])]
    for _ in range(3):
        cells = [quote + random.choice(values) + quote for _ in range(2)]
        lines.append(",".join(random.choice([cells, ["1", "2"], ["1"]])))
    return ".csv", "\n".join(lines).encode("utf-8", "surrogatepass")


def odd_arrow(random: Random) -> File:
    """Return an Arrow file of odd columns."""
    n = random.choice([0, 1, 2, 3, 10])
    columns = {name: odd_column(random, n) for name in ("x", "y", random.choice(NAMES))}
    return ".arrow", arrow(pa.table(columns), random.random() < 0.5)


def odd_tensors(random: Random) -> File:
    """Return what PyTorch saves: tensors of odd types and shapes, or other objects."""
    tensor = torch.tensor(rows(random)[0])
    values = [
        tensor,
        tensor.bool(),
        tensor.to(torch.int8),
        tensor[:, 0],
        tensor[:1].expand(10**9, tensor.shape[1]),
        torch.empty(3, 4, device="meta"),
        tensor.to_sparse(),
        torch.nested.nested_tensor([tensor, tensor[:1]], layout=torch.jagged),
        tensor.numpy(),
        "text",
        None,
        [tensor],
    ]
    content = io.BytesIO()
    pairs = {"x": random.choice(values), "y": random.choice(values), 5: tensor}
    torch.save(random.choice([pairs, pairs, random.choice(values)]), content)
    return ".pt", content.getvalue()


def wide(random: Random) -> File:
    """Return few pairs of many dimensions, as patches that were not pooled have."""
    n = random.choice([2, 3, 40])
    d = random.choice([300, 5000, 5000 if n == 40 else 60_000])
    rng = np.random.default_rng(random.getrandbits(32))
    return ".npy", npy(rng.normal(size=(2, n, d)).astype(np.float16))


# ---- a damaged disk, a download that broke off


def damaged(random: Random) -> File:
    """Change the bytes of a sound file."""
    suffix, content = sound(random)
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        start = random.randrange(len(changed) + 1)
        length = random.choice([1, 2, 8, 100, 1000])
        some = random.randbytes(length)
        change = random.randrange(7)
        if change == 0:
            del changed[start:]
        elif change == 1:
            del changed[start : start + length]
        elif change == 2:
            changed[start:start] = some
        elif change == 3:
            changed[start : start + length] = some[: len(changed) - start]
        elif change == 4 and start < len(changed):
            changed[start] ^= 1 << random.randrange(8)
        elif change == 5:
            changed[start:start] = changed[:length]
        elif change == 6:
            changed[start : start + length] = bytes(len(changed[start : start + length]))
    return suffix, bytes(changed)


def noise(random: Random) -> File:
    """Return noise, or noise after the first bytes of a known kind."""
    starts = [
        b"",
        b"\x93NUMPY\x01\x00",
        b"PK\x03\x04",
        b"PAR1",
        b"\x80\x04",
        b"\x00" * 8,
        b"<html>",
    ]
    content = random.choice(starts) + random.randbytes(random.choice([0, 1, 10, 300]))
    endings = [".npy", ".npz", ".safetensors", ".parquet", ".pt", ".arrow", ".jsonl", ".csv"]
    return random.choice(endings), content


def misnamed(random: Random) -> File:
    """Return a sound file under another ending."""
    endings = [
        ".npy",
        ".npz",
        ".safetensors",
        ".parquet",
        ".NPZ",
        ".Npz",
        ".pt",
        ".pkl",
        "",
        ".csv",
    ]
    return random.choice(endings), sound(random)[1]


# ---- NumPy


def npy_header(random: Random) -> bytes:
    """Return an array of float32 whose header says something else."""
    fields = {"descr": "<f4", "fortran_order": False, "shape": (2, 3, 4)}
    for _ in range(random.choice([1, 1, 2])):
        field = random.choice([*fields, "more"])
        values = {
            "descr": DTYPES,
            "fortran_order": [True, None, "no", 1],
            "shape": SHAPES,
            "more": [1],
        }
        fields[field] = random.choice(values[field])
    if random.random() < 0.1:
        fields.pop(random.choice(list(fields)))
    text = repr(fields)
    if random.random() < 0.2:
        odd = [
            text.replace("3,", "3L,"),
            text[:-1],
            "[" * 5000,
            f"{text} + 1",
            text * 3,
            " " * 20_000,
        ]
        text = random.choice([*odd, "__import__('os')", "{" * 200, "\x00", "größe"])
    encoded = text.encode("utf-8", "surrogatepass") + b"\n"
    version = random.choice([(1, 0)] * 6 + [(2, 0), (3, 0), (9, 9), (0, 0)])
    length = len(encoded) + random.choice([0] * 9 + [1, -1, 60_000])
    packed = struct.pack("<H" if version == (1, 0) else "<I", max(length, 0) % 2**16)
    return b"\x93NUMPY" + bytes(version) + packed + encoded + random.randbytes(96)


def odd_npy(random: Random) -> File:
    """Return an array of NumPy with an odd header, type or shape."""
    kind = random.randrange(4)
    if kind == 0:
        return ".npy", npy_header(random)
    if kind == 1:
        return ".npy", npy(typed(random, rows(random)))
    if kind == 2:
        return ".npy", npy(np.array([[{}, []], [None, "x"]], object))
    pairs = rows(random)
    shapes = [pairs[0], pairs[:, 0, 0], pairs[..., None], pairs[:1], pairs[:, :0], np.float32(1)]
    return ".npy", npy(random.choice(shapes))


def odd_npz(random: Random) -> File:
    """Return an archive with odd members."""
    x, y = rows(random)
    content = io.BytesIO()
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    with zipfile.ZipFile(content, "w", random.choice(kinds)) as archive:
        members = {"x.npy": npy(typed(random, x)), "y.npy": npy(typed(random, y))}
        if random.random() < 0.3:
            members[random.choice(list(members))] = npy_header(random)
        if random.random() < 0.2:
            members.pop(random.choice(list(members)))
        for _ in range(random.randrange(3)):
            others = [
                npy(np.array([{}], object)),
                b"",
                random.randbytes(50),
                npy(np.zeros(100_000)),
            ]
            ending = random.choice([".npy", ".npy", "/", ".txt"])
            members[random.choice(NAMES) + ending] = random.choice(others)
        for name, member in members.items():
            archive.writestr(name, member)
    changed = bytearray(content.getvalue())
    if random.random() < 0.2:
        # Flags, compression, checksum and sizes, in the directory at the end of the archive.
        start = changed.rfind(b"PK\x01\x02") + random.randrange(8, 46)
        changed[start : start + 2] = random.randbytes(2)
    return ".npz", bytes(changed)


# ---- metadata


def json_value(random: Random, depth: int = 0) -> object:
    """Return any value of JSON."""
    kind = random.randrange(8)
    if depth > 3 or kind < 5:
        return random.choice([value for value in SCALARS if value != 1e400])
    if kind < 7:
        return [json_value(random, depth + 1) for _ in range(random.randrange(4))]
    return {str(json_value(random, depth + 1)): json_value(random, depth + 1) for _ in range(2)}


def metadata(random: Random) -> str:
    """Return the text that a file says about itself: JSON of any shape, or none."""
    odd = ["", "{", "[" * 100_000, "NaN", '{"modalities": NaN}', "1" * 10_000, '"\\ud800"', "\x00"]
    if random.random() < 0.2:
        return random.choice(odd)
    fields = {
        "modalities": ["image", "text"],
        "captions": ["a", "b"],
        "source": "s",
        "license": "l",
    }
    for field in random.sample(list(fields), random.randrange(1, 4)):
        names = [["a", "a"], ["$\\frac$", "_b"], ["", " "], ["\x1b[31m", "b"], ["x" * 10**5, "<b>"]]
        fields[field] = random.choice([json_value(random), random.choice(names)])
    return json.dumps(fields, ensure_ascii=random.random() < 0.5)


def odd_metadata(random: Random) -> File:
    """Return sound pairs with odd metadata."""
    x, y = rows(random)
    text = metadata(random)
    if random.random() < 0.4:
        printable = text.encode("utf-8", "replace").decode()
        values = {"meta": printable, random.choice(["more", "x", "\x1b"]): printable}
        return ".safetensors", safetensors({"x": x, "y": y}, values)
    arrays = [
        np.array(text),
        np.array([text, text]),
        np.array(text.encode("utf-8", "replace")),
        np.zeros(3),
        np.array({}, object),
        np.frombuffer(b"\xff\xff\xff\x7f", "<U1").reshape(()),
    ]
    # The first is as the package writes it.
    array = random.choice(arrays[:1] * 6 + arrays[1:])
    return ".npz", npz({"x": x, "y": y, "meta": array})


# ---- safetensors


def odd_safetensors(random: Random) -> File:
    """Return tensors whose header is odd."""
    types = [
        "F32",
        "F64",
        "F16",
        "BF16",
        "F8_E4M3",
        "F8_E5M2",
        "F4",
        "I8",
        "U64",
        "BOOL",
        "C64",
        "X",
    ]
    header: dict[str, object] = {}
    for number, name in enumerate(["x", "y"]):
        start = random.choice([48 * number] * 6 + [0, 10, -1, 2**63, 10**9])
        end = start + random.choice([48] * 6 + [0, 1, 10**12])
        shape = random.choice(
            [[3, 4]] * 6 + [[], [4, 3], [2**40, 2**40], [-1], [3.5, 4], "3x4", None]
        )
        header[name] = {
            "dtype": random.choice(["F32"] * 4 + types),
            "shape": shape,
            "data_offsets": random.choice([[start, end]] * 9 + [[start], [end, start], None]),
        }
    for _ in range(random.randrange(2)):
        header[random.choice([*NAMES, "__metadata__"])] = json_value(random)
    content = with_header(header, random.randbytes(96))
    if random.random() < 0.2:
        length = random.choice([0, 1, len(content), 2**31, 2**64 - 1])
        content = struct.pack("<Q", length) + content[8:]
    return ".safetensors", content


# ---- Parquet


def odd_column(random: Random, n: int) -> pa.Array:
    """Return a column of n cells that may hold vectors."""
    lists = [[float(i), 1.0, 2.0] for i in range(n)]
    ragged = [[1.0] * (i % 3 + 1) for i in range(n)]
    with_nulls = [None if i == n // 2 else row for i, row in enumerate(lists)]
    with_holes = [[1.0, None, 2.0] for _ in range(n)]
    columns = [
        lambda: pa.array(lists, pa.list_(pa.float32())),
        lambda: pa.array(lists, pa.list_(pa.float32(), 3)),
        lambda: pa.array(lists, pa.large_list(pa.float64())),
        lambda: pa.array([[1, 2, 3]] * n, pa.list_(pa.int8())),
        lambda: pa.array(ragged),
        lambda: pa.array(with_nulls, pa.list_(pa.float32())),
        lambda: pa.array(with_nulls, pa.list_(pa.float32(), 3)),
        lambda: pa.array(with_holes, pa.list_(pa.float32())),
        lambda: pa.array([[]] * n, pa.list_(pa.float32())),
        lambda: pa.array([["a", "b"]] * n),
        lambda: pa.array([[[1.0], [2.0]]] * n),
        lambda: pa.array([{"a": 1.0}] * n),
        lambda: pa.array(["a caption"] * n).dictionary_encode(),
        lambda: pa.array([b"bytes"] * n),
        lambda: pa.array([1.0] * n),
        lambda: pa.array([1.5] * n).cast(pa.float16()),
        lambda: pa.nulls(n),
        lambda: pa.nulls(n, pa.list_(pa.float32())),
        lambda: pa.array([[True, False]] * n),
    ]
    return random.choice(columns[:4] * 2 + columns)()


def odd_parquet(random: Random) -> File:
    """Return a table of odd columns."""
    n = random.choice([0, 1, 2, 3, 10])
    names = ["x", "y"]
    for _ in range(random.randrange(3)):
        names.append(random.choice(NAMES))
    if random.random() < 0.1:
        names = names[1:]
    content = parquet([(name, odd_column(random, n)) for name in names])
    if random.random() < 0.1:
        # Names that are not UTF-8.
        content = content.replace(b"meta", b"\xff\xfe\xff\xfe").replace(b"z", b"\xff")
    return ".parquet", content


KINDS: list[Callable[[Random], File]] = [
    sound,
    wide,
    damaged,
    noise,
    misnamed,
    odd_npy,
    odd_npz,
    odd_metadata,
    odd_safetensors,
    odd_parquet,
    odd_arrow,
    odd_text,
    odd_tensors,
]


def nasty_file(random: Random) -> File:
    """Return a file of any kind."""
    return random.choice(KINDS)(random)

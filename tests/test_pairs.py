"""The gate for input: what it takes, what it makes of it, and the sentence for everything that it refuses."""

import errno
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gapbook import pairs as module
from gapbook.exceptions import FetchError, PairsError
from gapbook.files import data_path
from gapbook.pairs import PairedEmbeddings, available_pairs, load_pairs, unit_pair, unit_rows
from gapbook.published import registry

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 20, 4))
BUNDLED = ["glyphclip", "glyphclip-t10", "glyphclip-learned", "glyphclip-init"]


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


BAD_ARRAYS = {
    "none": ((None, Y), "Expected x as an array (n, d) of real numbers; got NoneType"),
    "a word": (("image", Y), "Expected x as an array (n, d) of real numbers; got str"),
    "a dictionary": (({"x": X}, Y), "Expected x as an array (n, d) of real numbers; got dict"),
    "ragged lists": (([[1, 2], [3]], Y), "Expected x as an array (n, d); got list"),
    "object dtype": (
        (X, Y.astype(object)),
        "Expected y as an array (n, d) of real numbers; got dtype object",
    ),
    "complex": ((X + 1j, Y), "Expected x as an array (n, d) of real numbers; got dtype complex128"),
    "complex tensor": ((torch.tensor(X + 1j), Y), "real numbers; got dtype torch.complex128"),
    "wrong rank": ((X[0], Y), "Expected x of shape (n, d); got (4,)"),
    "stack of both": ((np.stack([X, Y]), Y), "Expected x of shape (n, d); got (2, 20, 4)"),
    "no dimensions": ((X[:, :0], Y[:, :0]), "Expected x of shape (n, d); got (20, 0)"),
    "different n": (
        (X, Y[1:]),
        "Expected x and y of the same shape (n, d); got (20, 4) and (19, 4)",
    ),
    "different d": (
        (X, Y[:, 1:]),
        "Expected x and y of the same shape (n, d); got (20, 4) and (20, 3)",
    ),
    "one pair": ((X[:1], Y[:1]), "at least 2 pairs are needed; got 1"),
    "no pairs": ((X[:0], Y[:0]), "at least 2 pairs are needed; got 0"),
    "not a number": (
        (changed(X, [17, 18, 19], np.nan), Y),
        "x has non-finite values in 3 rows (first: 17)",
    ),
    "infinity": ((X, changed(Y, 5, -np.inf)), "y has non-finite values in 1 row (first: 5)"),
    "zero row": ((X, changed(Y, 4, 0)), "row 4 of y has zero norm"),
    "zero rows": ((changed(X, [2, 9, 11], 0), Y), "row 2 of x has zero norm (and 2 more)"),
}


@pytest.mark.parametrize(("arrays", "sentence"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_get_one_sentence(arrays, sentence):
    for gate in (PairedEmbeddings, PairedEmbeddings.from_arrays, unit_pair):
        with pytest.raises(PairsError) as error:
            gate(*arrays)
        assert sentence in str(error.value)
        assert "\n" not in str(error.value)


def test_bad_meta_and_single_arrays():
    with pytest.raises(PairsError, match="at least 2 rows of features are needed; got 1"):
        unit_rows(X[:1], "features")
    with pytest.raises(PairsError, match=r"Expected 20 captions, one for each pair; got 19"):
        PairedEmbeddings(X, Y, captions=["a"] * 19)
    for modalities in ("image", ("image",), ("image", ""), ("image", 1)):
        with pytest.raises(PairsError, match="Expected modalities as two names"):
            PairedEmbeddings(X, Y, modalities=modalities)
    with pytest.raises(TypeError, match="caption"):
        PairedEmbeddings.from_arrays(X, Y, caption=["a"] * 20)


def pickled_npy(path):
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)


def pickled_member(path):
    np.savez(path, x=X.astype(object), y=Y)


def cut_npz(path):
    np.savez(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:400])


def cut_npy(path):
    np.save(path, np.stack([X, Y]))
    path.write_bytes(path.read_bytes()[:-9])


def cut_safetensors(path):
    path.write_bytes(safetensors.numpy.save({"x": X, "y": Y})[:-9])


def damaged_npz(path):
    np.savez_compressed(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    path.write_bytes(content)


def no_array_inside(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"hello")


BAD_FILES = {
    "missing": ("a.npy", lambda path: None, "does not exist"),
    "folder": ("a.npz", lambda path: path.mkdir(), "is a folder"),
    "other suffix": (
        "a.csv",
        lambda path: path.write_text("1,2"),
        "ending in .npz, .npy, .safetensors, .parquet, since others",
    ),
    "torch file": (
        "a.pt",
        lambda path: path.write_bytes(b"PK"),
        "may be pickled, and unpickling can run any code; got",
    ),
    "pickle renamed": (
        "a.npy",
        lambda path: path.write_bytes(pickle.dumps(X)),
        "unpickling can run any code",
    ),
    "pickled npy": ("a.npy", pickled_npy, "unpickling can run any code"),
    "pickled npz": ("a.npz", pickled_member, "unpickling can run any code"),
    "text as npy": (
        "a.npy",
        lambda path: path.write_text("hello world"),
        "damaged or not a .npy file: it starts with b'hello wo'",
    ),
    "text as npz": (
        "a.npz",
        lambda path: path.write_text("hello world"),
        "damaged or not a .npz file: it starts with b'hello wo'",
    ),
    "text as safetensors": (
        "a.safetensors",
        lambda path: path.write_text("hello world"),
        "it starts with b'hello wo'",
    ),
    "empty": ("a.npy", lambda path: path.touch(), "a.npy is empty: write it again"),
    "truncated npz": ("a.npz", cut_npz, "damaged or not a .np"),
    "truncated npy": ("a.npy", cut_npy, "damaged or not a .np"),
    "truncated safetensors": (
        "a.safetensors",
        cut_safetensors,
        "damaged or not a .safetensors file",
    ),
    "damaged npz": ("a.npz", damaged_npz, "damaged or not a .np"),
    "not an array in npz": ("a.npz", no_array_inside, "a.npz"),
    "wrong keys": ("a.npz", lambda path: np.savez(path, images=X, texts=Y), "keys x and y in"),
    "one key": (
        "a.safetensors",
        lambda path: safetensors.numpy.save_file({"x": X}, path),
        "Expected the keys x and y in",
    ),
    "one array in npy": ("a.npy", lambda path: np.save(path, X), "shape (2, n, d)"),
    "three arrays in npy": (
        "a.npy",
        lambda path: np.save(path, np.stack([X, X, Y])),
        "got (3, 20, 4)",
    ),
    "zero row inside": (
        "a.npz",
        lambda path: np.savez(path, x=X * 0, y=Y),
        "row 0 of x has zero norm",
    ),
}


@pytest.mark.parametrize(("name", "make", "sentence"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files_get_one_sentence(tmp_path, name, make, sentence):
    make(tmp_path / name)
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.load(tmp_path / name)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None  # no wall of tracebacks


def tensor_with_history(a):
    return torch.tensor(a, requires_grad=True) * 1


FORMS = {
    "float64": lambda a: a,
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "long double": lambda a: a.astype(np.longdouble),
    "big endian": lambda a: a.astype(">f4"),
    "lists": lambda a: a.tolist(),
    "list of arrays": list,
    "column order": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "read only": lambda a: np.broadcast_to(a, a.shape),
    "tensor": torch.tensor,
    "tensor float16": lambda a: torch.tensor(a).half(),
    "tensor bfloat16": lambda a: torch.tensor(a).bfloat16(),
    "tensor transposed": lambda a: torch.tensor(a.T.copy()).T,
    "tensor with gradient": tensor_with_history,
}
TOLERANCE = {"float16": 2e-3, "tensor float16": 2e-3, "tensor bfloat16": 2e-2}
ROWS = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 9), st.integers(1, 6)), elements=st.floats(-9, 9, width=16)
)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, form=st.sampled_from(sorted(FORMS)))
def test_every_form_gives_the_same_unit_rows_and_stays_as_it_was(rows, form):
    rows = rows + 0.5 * (np.abs(rows).max(1, keepdims=True) < 0.1)  # no zero rows
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    given_x = FORMS[form](rows)
    before = torch.tensor(np.asarray(rows)).clone()
    pairs = PairedEmbeddings.from_arrays(given_x, FORMS[form](rows[::-1].copy()))
    np.testing.assert_allclose(pairs.x, expected, atol=TOLERANCE.get(form, 1e-7))
    np.testing.assert_allclose(pairs.y, expected[::-1], atol=TOLERANCE.get(form, 1e-7))
    assert (
        pairs.x.dtype == np.float32 and pairs.x.flags.c_contiguous and not pairs.x.flags.writeable
    )
    assert torch.equal(torch.tensor(rows), before)
    if isinstance(given_x, np.ndarray):
        assert not np.shares_memory(given_x, pairs.x)


def test_integers_and_booleans_count_as_numbers():
    for dtype in (np.int8, np.uint16, np.int64, np.uint64, bool):
        assert unit_rows(np.array([[1, 0], [1, 1]], dtype)).numpy()[1] == pytest.approx(0.5**0.5)
    assert unit_rows(torch.tensor([[3, 4], [0, 2]])).tolist()[0] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("end", ["max", "tiny", "smallest_subnormal"])
def test_the_ends_of_every_float_type_neither_overflow_nor_vanish(dtype, end):
    value = getattr(np.finfo(dtype), end)
    rows = np.full((2, 700), value, dtype)
    rows[1, 1:] = 0
    unit = unit_rows(rows).numpy()
    np.testing.assert_allclose(unit[0], 700**-0.5, rtol=1e-6)
    assert unit[1, 0] == 1 and not unit[1, 1:].any()


def test_normalizing_twice_changes_no_bit():
    pairs = PairedEmbeddings(*RNG.normal(size=(2, 3000, 3)))
    np.testing.assert_array_equal(PairedEmbeddings(pairs.x, pairs.y).x, pairs.x)
    assert np.abs(np.linalg.norm(pairs.x.astype(float), axis=1) - 1).max() < 1.3e-7
    half = PairedEmbeddings(pairs.x.astype(np.float16), pairs.y.astype(np.float16))
    assert np.abs(np.linalg.norm(half.x.astype(float), axis=1) - 1).max() < 1.3e-7


def test_pairs_are_frozen_and_describe_themselves():
    pairs = PairedEmbeddings(X, Y, captions=[f"c{i}" for i in range(20)], source="here")
    with pytest.raises(AttributeError):
        pairs.x = Y
    with pytest.raises(ValueError, match="read-only"):
        pairs.x[0, 0] = 1
    assert len(pairs) == 20 and pairs.captions[3] == "c3"
    assert repr(pairs) == "PairedEmbeddings(20 pairs of image and text, 4 dimensions, from here)"


def test_subset_keeps_rows_together():
    pairs = PairedEmbeddings(
        X, Y, ("video", "text"), captions=[f"c{i}" for i in range(20)], license="MIT"
    )
    mask = np.arange(20) % 7 == 3
    for indices, expected in (
        (slice(2, 6), [2, 3, 4, 5]),
        ([5, 0], [5, 0]),
        (mask, [3, 10, 17]),
        ([-1, 1], [19, 1]),
    ):
        part = pairs.subset(indices)
        np.testing.assert_array_equal(part.x, pairs.x[expected])
        np.testing.assert_array_equal(part.y, pairs.y[expected])
        assert part.captions == tuple(f"c{i}" for i in expected)
        assert (part.modalities, part.license) == (("video", "text"), "MIT")
    for indices, sentence in (
        ([3], "at least 2 pairs are needed; got 1"),
        ([0, 20], "Expected indices of 20 pairs"),
    ):
        with pytest.raises(PairsError, match=sentence):
            pairs.subset(indices)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_saved_file_loads_again(tmp_path, suffix):
    captions = [f"größe, 'α' {i}" for i in range(20)]
    pairs = PairedEmbeddings(X, Y, ("video", "text"), captions, source="here", license="MIT")
    path = tmp_path / f"pairs{suffix}"
    for _ in range(2):  # the second replaces the first
        pairs.save(path)
    again = PairedEmbeddings.load(path)
    np.testing.assert_array_equal(again.x, pairs.x)
    np.testing.assert_array_equal(again.y, pairs.y)
    if suffix != ".npy":
        assert (again.modalities, again.captions, again.source) == (
            pairs.modalities,
            pairs.captions,
            "here",
        )
    assert PairedEmbeddings.load(path, modalities=("a", "b")).modalities == ("a", "b")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(PairsError, match="ending in"):
        pairs.save(tmp_path / "pairs.pt")


def test_files_of_other_programs_load(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X.astype(np.float16), y=Y, meta=np.arange(3))
    np.save(tmp_path / "a.npy", np.stack([X, Y]).astype(np.float32))
    tensors = {"x": torch.tensor(X).bfloat16(), "y": torch.tensor(Y).bfloat16()}
    import safetensors.torch

    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors")
    expected = PairedEmbeddings(X, Y)
    for name, tolerance in (("a.npz", 2e-3), ("a.npy", 1e-6), ("a.safetensors", 2e-2)):
        pairs = PairedEmbeddings.load(str(tmp_path / name))
        np.testing.assert_allclose(pairs.x, expected.x, atol=tolerance)
        assert (pairs.source, pairs.captions) == (name, None)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
@pytest.mark.parametrize(
    "stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_full_disk_or_an_interruption_leaves_the_earlier_file(
    tmp_path, monkeypatch, suffix, stop
):
    path = tmp_path / f"pairs{suffix}"
    PairedEmbeddings(X, Y).save(path)
    before = path.read_bytes()

    def half_then_stop(self, content):
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        assert len(list(tmp_path.iterdir())) == 2
        raise stop

    monkeypatch.setattr(type(path), "write_bytes", half_then_stop)
    with pytest.raises(type(stop)) as error:
        PairedEmbeddings(Y, X).save(path)
    if isinstance(stop, OSError):
        assert error.value.errno == errno.ENOSPC
        assert (
            f"cannot write {path} (No space left on device); an earlier file there is unchanged"
            in str(error.value)
        )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        FetchError, match=r"unknown source 'clip-cocoo'; did you mean 'clip-coco'\?"
    ):
        load_pairs("clip-cocoo")
    with pytest.raises(
        FetchError, match=r"unknown source 'zzz'; there are glyphclip, .*clasp-uniprot-random"
    ):
        load_pairs("zzz")


@pytest.fixture
def made_up_source(tmp_path, monkeypatch):
    tensors = {
        f"{side}.{seed}": RNG.normal(size=(3, 4)).astype(np.float16)
        for side in "xy"
        for seed in (0, 2)
    }
    safetensors.numpy.save_file(tensors, tmp_path / "e.safetensors")
    names = pd.DataFrame(
        {"split": ["test", "train", "test", "test"], "name": ['"QUOTATION MARK', "A", "B", "C"]}
    )
    monkeypatch.setattr(module, "characters", lambda: names)
    entry = registry()["glyphclip"] | {"file": str(tmp_path / "e.safetensors")}
    monkeypatch.setitem(registry(), "made-up", entry)
    return tensors


def test_a_bundled_source_loads_by_seed_with_its_captions(made_up_source):
    pairs = load_pairs("made-up", seed=2)
    expected = made_up_source["y.2"].astype(float)
    np.testing.assert_allclose(
        pairs.y, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6
    )
    assert pairs.captions == ('"QUOTATION MARK', "B", "C")
    assert (pairs.modalities, pairs.source) == (("image", "text"), "made-up")
    for seed in (1, "a", -1):
        with pytest.raises(PairsError, match=f"made-up has no seed {seed!r}; its seeds are 0, 2"):
            load_pairs("made-up", seed=seed)


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sources(name):
    n, d = registry()[name]["shape"][1:]
    loaded = [load_pairs(name, seed) for seed in range(3)]
    for pairs in loaded:
        assert pairs.x.shape == pairs.y.shape == (n, d)
        assert len(set(pairs.captions)) == n
    assert not np.array_equal(loaded[0].x, loaded[1].x)


def test_available_pairs_lists_every_source_with_the_way_to_it(tmp_path, monkeypatch):
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path))
    table = available_pairs()
    assert list(table.columns) == ["name", "modalities", "n", "d", "available", "where", "license"]
    assert list(table["name"]) == list(registry()) and list(table["name"][:4]) == BUNDLED
    assert not table["license"].eq("").any()
    rows = table.set_index("name")
    assert (rows.loc[BUNDLED, "where"] == "bundled").all() and rows.loc[BUNDLED, "available"].all()
    assert not rows.loc["clip-coco", "available"]
    assert rows.loc["clip-coco", "where"] == "gapbook fetch clip-coco"
    (tmp_path / "features_clip.npy").write_bytes(b"not the file")
    assert not available_pairs().set_index("name").loc["clip-coco", "available"]


def test_the_list_leaves_out_what_derives_from_medical_records():
    assert (
        "convirt"
        not in " ".join(f"{name} {entry['file']}" for name, entry in registry().items()).lower()
    )
    assert data_path("registry.yml").is_file()

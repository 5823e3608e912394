"""The gate for input: what it takes, what it makes of it, and the sentence for what it refuses."""

import pickle
import zipfile

import numpy as np
import pyarrow.parquet
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from helpers import parquet_table, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gapbook.exceptions import ColumnsError, FetchError, PairsError
from gapbook.files import data_path
from gapbook.glyphs import characters
from gapbook.pairs import PairedEmbeddings, available_pairs, load_pairs, unit_pair, unit_rows
from gapbook.published import embedding_sources, registry

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
    "ragged lists": (
        ([[1, 2], [3]], Y),
        "Expected x as an array (n, d) of real numbers; got list (",
    ),
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
        "Expected x and y of the same shape (n, d); got (20, 4) and (19, 4): bring both sides to "
        "the same rows in the same order, or, if an image has several captions, name their ids",
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


BAD_MODALITIES = ("image", ("image",), ("image", ""), ("image", 1), ("a", "a"), ("a", "\x1b[31m"))
BAD_MODALITIES += (("a", " "), ("a", "b" * 81), ("a", "\udce9"))


def test_bad_meta_and_single_arrays():
    with pytest.raises(PairsError, match="at least 2 rows of features are needed; got 1"):
        unit_rows(X[:1], "features")
    with pytest.raises(PairsError, match=r"Expected 20 captions, one for each pair; got 19"):
        PairedEmbeddings(X, Y, captions=["a"] * 19)
    for modalities in BAD_MODALITIES:
        with pytest.raises(
            PairsError, match="Expected modalities as two different printable names"
        ):
            PairedEmbeddings(X, Y, modalities=modalities)
    with pytest.raises(PairsError, match="Expected source as text; got 5"):
        PairedEmbeddings(X, Y, source=5)
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
        "a.pkl",
        lambda path: path.write_text("1,2"),
        "since others may be pickled, and unpickling can run any code; got",
    ),
    "torch file": (
        "a.pt",
        lambda path: path.write_bytes(b"PK"),
        "holds other objects than tensors, or is cut off, and unpickling can run any code: save",
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
    "truncated npz": ("a.npz", cut_npz, "damaged or not a .npz file"),
    "truncated npy": (
        "a.npy",
        cut_npy,
        "is damaged or cut off: the header of the array states 1280 bytes, and there are 1271",
    ),
    "truncated safetensors": (
        "a.safetensors",
        cut_safetensors,
        "damaged or not a .safetensors file",
    ),
    "damaged npz": ("a.npz", damaged_npz, "damaged or not a .npz file"),
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
    # No row is zero.
    rows = rows + 0.5 * (np.abs(rows).max(1, keepdims=True) < 0.1)
    expected = unit(rows)
    before = rows.copy()
    x = FORMS[form](rows)
    pairs = PairedEmbeddings.from_arrays(x, FORMS[form](rows[::-1].copy()))
    tolerance = TOLERANCE.get(form, 1e-7)
    np.testing.assert_allclose(pairs.x, expected, atol=tolerance)
    np.testing.assert_allclose(pairs.y, expected[::-1], atol=tolerance)
    assert pairs.x.dtype == np.float32
    assert pairs.x.flags.c_contiguous
    assert not pairs.x.flags.writeable
    assert np.array_equal(rows, before)
    if isinstance(x, np.ndarray):
        assert not np.shares_memory(x, pairs.x)


def test_integers_of_16_bits_and_more_count_as_numbers():
    for dtype in (np.int16, np.uint16, np.int64, np.uint64):
        assert np.asarray(unit_rows(np.array([[1, 0], [1, 1]], dtype)))[1] == pytest.approx(
            0.5**0.5
        )
    assert unit_rows(torch.tensor([[3, 4], [0, 2]])).tolist()[0] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("end", ["max", "tiny", "smallest_subnormal"])
def test_the_ends_of_every_float_type_neither_overflow_nor_vanish(dtype, end):
    value = getattr(np.finfo(dtype), end)
    rows = np.full((2, 700), value, dtype)
    rows[1, 1:] = 0
    unit = np.asarray(unit_rows(rows))
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
    PairedEmbeddings(Y, X).save(path)
    # The second replaces the first.
    pairs.save(path)
    again = PairedEmbeddings.load(path)
    np.testing.assert_array_equal(again.x, pairs.x)
    np.testing.assert_array_equal(again.y, pairs.y)
    if suffix != ".npy":
        assert again.modalities == pairs.modalities
        assert again.captions == pairs.captions
        assert again.source == "here"
    assert PairedEmbeddings.load(path, modalities=("a", "b")).modalities == ("a", "b")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["pairs.pt", "pairs.parquet", "pairs"])
def test_pairs_are_saved_in_formats_that_hold_them(tmp_path, name):
    with pytest.raises(
        PairsError, match=r"Expected a path ending in \.npz, \.npy, \.safetensors; got"
    ):
        PairedEmbeddings(X, Y).save(tmp_path / name)


def test_files_of_other_programs_load(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X.astype(np.float16), y=Y, meta=np.arange(3))
    np.save(tmp_path / "a.npy", np.stack([X, Y]).astype(np.float32))
    tensors = {"x": torch.tensor(X).bfloat16(), "y": torch.tensor(Y).bfloat16()}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors")
    expected = PairedEmbeddings(X, Y)
    pyarrow.parquet.write_table(parquet_table(expected), tmp_path / "a.parquet")
    tolerances = {"a.npz": 2e-3, "a.npy": 1e-6, "a.safetensors": 2e-2, "a.parquet": 1e-6}
    for name, tolerance in tolerances.items():
        pairs = PairedEmbeddings.load(str(tmp_path / name))
        np.testing.assert_allclose(pairs.x, expected.x, atol=tolerance)
        assert (pairs.source, pairs.captions) == (name, None)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_arrays_with_other_names_are_named_as_columns(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    expected = PairedEmbeddings(X, Y)
    arrays = {"image": expected.x, "text": expected.y}
    if suffix == ".npz":
        np.savez(path, **arrays)
    elif suffix == ".safetensors":
        safetensors.numpy.save_file(arrays, path)
    else:
        pyarrow.parquet.write_table(parquet_table(expected, ("image", "text")), path)
    loaded = PairedEmbeddings.load(path, columns=("image", "text"), license="MIT")
    np.testing.assert_array_equal(loaded.x, expected.x)
    np.testing.assert_array_equal(loaded.y, expected.y)
    assert loaded.license == "MIT"
    for columns in (("x", "y"), ("image", "y")):
        with pytest.raises(ColumnsError, match=rf"keys {columns[0]} and y in .* got image, text"):
            PairedEmbeddings.load(path, columns=columns)


def test_one_array_of_both_has_no_names(tmp_path):
    PairedEmbeddings(X, Y).save(tmp_path / "a.npy")
    loaded = PairedEmbeddings.load(tmp_path / "a.npy", columns=("image", "text"))
    np.testing.assert_array_equal(loaded.x, PairedEmbeddings(X, Y).x)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(
        FetchError, match=r"unknown source 'clip-cocoo'; did you mean 'clip-coco'\?"
    ):
        load_pairs("clip-cocoo")
    with pytest.raises(
        FetchError, match=r"unknown source 'zzz'; there are glyphclip, .*clasp-uniprot-random"
    ):
        load_pairs("zzz")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_source_loads_by_seed_with_its_captions(name):
    entry = registry()[name]
    arrays = safetensors.numpy.load_file(data_path(entry["file"]))
    table = characters()
    captions = tuple(table[table["split"] == "test"]["name"])
    for seed in (0, 1, 2):
        pairs = load_pairs(name, seed)
        for side, rows in (("x", pairs.x), ("y", pairs.y)):
            expected = unit(arrays[f"{side}.{seed}"])
            np.testing.assert_allclose(rows, expected, atol=1e-6)
        assert pairs.x.shape == tuple(entry["shape"][1:])
        assert pairs.captions == captions
        assert (pairs.modalities, pairs.source) == (("image", "text"), name)
    assert not np.array_equal(arrays["x.0"], arrays["x.1"])


@pytest.mark.parametrize("seed", [3, "a", -1])
def test_a_seed_that_no_run_has_is_refused(seed):
    with pytest.raises(PairsError, match=f"glyphclip has no seed {seed!r}; its seeds are 0, "):
        load_pairs("glyphclip", seed=seed)


def test_available_pairs_lists_every_source_with_the_way_to_it(tmp_path, monkeypatch):
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path))
    table = available_pairs()
    assert list(table.columns) == ["name", "modalities", "n", "d", "available", "where", "license"]
    assert list(table["name"]) == list(embedding_sources())
    assert not table["license"].eq("").any()
    rows = table.set_index("name")
    assert (rows.loc[BUNDLED, "where"] == "bundled").all()
    assert rows.loc[BUNDLED, "available"].all()
    assert not rows.loc["clasp-uniprot", "available"]
    assert rows.loc["clasp-uniprot", "where"] == "gapbook fetch clasp-uniprot"
    (tmp_path / "features_clasp.npy").write_bytes(b"not the file")
    assert not available_pairs().set_index("name").loc["clasp-uniprot", "available"]


def test_the_list_leaves_out_what_derives_from_medical_records():
    words = [f"{name} {entry.get('file')}".lower() for name, entry in registry().items()]
    assert not [word for word in words if "convirt" in word]

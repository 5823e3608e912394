"""Stored vectors of any size: types, interruptions, damage, and memory."""

import json
import pickle

import numpy as np
import pytest
from helpers import cones, most_memory, npy_header
from safetensors.numpy import load_file, save_file

from gapbook.exceptions import PairsError
from gapbook.mitigation import Center, NearestNeighborNormalization, Noise, ScoreScaling
from gapbook.mitigation.stored import apply_to_stored

X, Y = cones()
ROWS = cones(n=500, seed=3)[0]
FIX = Center().fit(X, Y)
EXPECTED = FIX.transform_x(ROWS)


def write(path, rows, key="x"):
    """Write vectors in the kind that the ending names."""
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez(path, **{key: rows, "ids": np.arange(len(rows))})
    else:
        save_file({key: rows, "ids": np.arange(len(rows))}, path)
    return path


def read(path, key="x"):
    if path.suffix == ".npy":
        return np.load(path)
    return (np.load(path) if path.suffix == ".npz" else load_file(path))[key]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
@pytest.mark.parametrize(("dtype", "result"), [("f2", "f2"), ("f4", "f4"), ("f8", "f4")])
def test_rows_stay_in_their_places_and_half_precision_stays(suffix, dtype, result, tmp_path):
    source = write(tmp_path / f"a{suffix}", ROWS.astype(dtype))
    applied = apply_to_stored(FIX, source, tmp_path / f"b{suffix}", "x", numbers_per_block=12 * 64)
    moved = read(tmp_path / f"b{suffix}")
    assert (applied.rows, applied.files, moved.dtype) == (500, 1, result)
    np.testing.assert_allclose(moved, EXPECTED, atol=2e-3 if dtype == "f2" else 1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_no_row_and_more_dimensions(suffix, tmp_path) -> None:
    scaling = ScoreScaling().fit(Y, {"image": X, "text": Y})
    source = write(tmp_path / f"a{suffix}", np.zeros((0, 12), np.float16))
    apply_to_stored(scaling, source, tmp_path / f"b{suffix}", "image", key="x")
    assert read(tmp_path / f"b{suffix}").shape == (0, 13)
    nnn = NearestNeighborNormalization(k=3).fit(X, Y)
    write(source, ROWS)
    apply_to_stored(nnn, source, tmp_path / f"b{suffix}", "x")
    np.testing.assert_allclose(read(tmp_path / f"b{suffix}"), nnn.transform_x(ROWS), atol=1e-6)


class StoppedError(Exception):
    """The interruption of a test."""


def stop_after(calls):
    """Return a function that counts rows, and raises in a later call."""
    counts = []

    def progress(rows):
        counts.append(rows)
        if len(counts) > calls:
            raise StoppedError

    return progress, counts


def test_an_interrupted_file_goes_on_where_it_was(tmp_path) -> None:
    source = write(tmp_path / "a.npy", ROWS)
    out = tmp_path / "b.npy"
    progress, _ = stop_after(4)
    with pytest.raises(StoppedError):
        apply_to_stored(FIX, source, out, "x", numbers_per_block=12 * 50, progress=progress)
    assert not out.exists()
    counts = []
    applied = apply_to_stored(
        FIX, source, out, "x", numbers_per_block=12 * 50, progress=counts.append
    )
    assert counts[0] > 0
    assert sum(counts) == 500
    assert applied.rows == 500 - counts[0]
    np.testing.assert_array_equal(np.load(out), EXPECTED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]


@pytest.mark.parametrize("change", ["source", "correction", "side", "journal"])
def test_an_interrupted_file_begins_again_where_the_work_is_another(change, tmp_path) -> None:
    source = write(tmp_path / "a.npy", ROWS)
    out = tmp_path / "b.npy"
    progress, _ = stop_after(4)
    with pytest.raises(StoppedError):
        apply_to_stored(FIX, source, out, "x", numbers_per_block=12 * 50, progress=progress)
    fix = Center(0.5).fit(X, Y) if change == "correction" else FIX
    side = "y" if change == "side" else "x"
    rows = ROWS
    if change == "source":
        rows = ROWS[::-1].copy()
        write(source, rows)
    if change == "journal":
        (tmp_path / ".b.npy.journal").write_text("[")
    apply_to_stored(fix, source, out, side)
    moved = fix.transform_x(rows) if side == "x" else fix.transform_y(rows)
    np.testing.assert_allclose(np.load(out), moved, atol=1e-6)


def folder_of(tmp_path):
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    write(folder / "a.npy", ROWS[:200])
    write(folder / "b.npz", ROWS[200:300])
    write(folder / "more" / "c.safetensors", ROWS[300:])
    return folder


def moved_folder(out):
    parts = [read(out / name) for name in ("a.npy", "b.npz", "more/c.safetensors")]
    return np.concatenate(parts)


def test_a_folder_becomes_a_folder_and_what_is_there_is_not_moved_again(tmp_path) -> None:
    folder = folder_of(tmp_path)
    out = tmp_path / "out"
    progress, _ = stop_after(1)
    with pytest.raises(StoppedError):
        apply_to_stored(FIX, folder, out, "x", progress=progress)
    assert (out / "a.npy").exists()
    assert not (out / "b.npz").exists()
    applied = apply_to_stored(FIX, folder, out, "x")
    assert (applied.files, applied.there, applied.rows) == (2, 1, 300)
    np.testing.assert_allclose(moved_folder(out), EXPECTED, atol=1e-6)


def test_a_damaged_shard_is_named_or_left_out(tmp_path) -> None:
    folder = folder_of(tmp_path)
    content = (folder / "b.npz").read_bytes()
    (folder / "b.npz").write_bytes(content[:100])
    with pytest.raises(PairsError, match=r"b\.npz is damaged"):
        apply_to_stored(FIX, folder, tmp_path / "out", "x")
    applied = apply_to_stored(FIX, folder, tmp_path / "out", "x", skip_bad=True)
    assert list(applied.bad) == ["b.npz"]
    (folder / "b.npz").write_bytes(content)
    apply_to_stored(FIX, folder, tmp_path / "out", "x")
    np.testing.assert_allclose(moved_folder(tmp_path / "out"), EXPECTED, atol=1e-6)


HEADER = npy_header((500, 12))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(24_000), "is damaged or not a .npy file: it starts with"),
        (b"no such thing", "is damaged or not a .npy file: it starts with b'no such '"),
        (HEADER[:40], "is damaged or not a .npy file: it starts with"),
        (HEADER + bytes(23_999), "is damaged or cut off: the header of the array states 24000"),
        (pickle.dumps([1, 2]), "holds pickled objects, and unpickling can run any code"),
    ],
)
def test_a_damaged_array_is_no_reason_to_unpickle_it(tmp_path, content, message) -> None:
    folder = folder_of(tmp_path)
    (folder / "z.npy").write_bytes(content)
    with pytest.raises(PairsError) as caught:
        apply_to_stored(FIX, folder, tmp_path / "out", "x")
    text = str(caught.value)
    assert "z.npy" in text
    assert message in text
    for word in ("unexpected", "load", "trust", "allow_pickle"):
        assert word not in text


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:0]])
def test_one_row_and_none_are_in_any_order(tmp_path, rows) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(rows))
    apply_to_stored(FIX, tmp_path / "a.npy", tmp_path / "b.npy", "x")
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), EXPECTED[: len(rows)], atol=1e-6)


def test_a_folder_that_holds_other_work_is_refused(tmp_path) -> None:
    folder = folder_of(tmp_path)
    apply_to_stored(FIX, folder, tmp_path / "out", "x")
    for fix, side, out in (
        (FIX, "y", "out"),
        (Center(0.5).fit(X, Y), "x", "out"),
        (FIX, "x", ""),
    ):
        with pytest.raises(PairsError, match="holds other files, or vectors that were moved by"):
            apply_to_stored(fix, folder, tmp_path / out, side)


def test_rows_without_direction_are_named_or_zeros(tmp_path) -> None:
    rows = ROWS.copy()
    rows[301] = 0
    source = write(tmp_path / "a.npy", rows)
    with pytest.raises(PairsError, match=r"a\.npy: row 301 has no direction"):
        apply_to_stored(FIX, source, tmp_path / "b.npy", "x", numbers_per_block=12 * 50)
    assert not (tmp_path / "b.npy").exists()
    applied = apply_to_stored(FIX, source, tmp_path / "b.npy", "x", skip_bad=True)
    assert applied.n_without_direction == 1
    assert applied.without_direction[0].endswith("a.npy row 301")
    moved = np.load(tmp_path / "b.npy")
    assert not moved[301].any()
    np.testing.assert_allclose(np.delete(moved, 301, 0), np.delete(EXPECTED, 301, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((3, 7), np.float32), "vectors of 7 dimensions; the correction is for 12"),
        (np.zeros((3, 12), np.int8), "its type is int8"),
        (np.zeros((2, 3, 12)), r"its shape is \(2, 3, 12\)"),
        (np.asfortranarray(ROWS), "stored by columns"),
        (np.array([{}]), "a.npy holds pickled objects"),
    ],
)
def test_files_that_hold_no_such_vectors_are_named(rows, message: str, tmp_path) -> None:
    np.save(tmp_path / "a.npy", rows, allow_pickle=True)
    with pytest.raises(PairsError, match=message) as caught:
        apply_to_stored(FIX, tmp_path / "a.npy", tmp_path / "b.npy", "x")
    assert "a.npy" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_other_bad_input_is_one_sentence(tmp_path) -> None:
    source = write(tmp_path / "a.npy", ROWS)
    out = tmp_path / "b.npy"
    (tmp_path / "cut.npy").write_bytes(npy_header((500, 12)) + b"1234")
    named = write(tmp_path / "c.npz", ROWS, key="vectors")
    (tmp_path / "d.txt").write_text("1 2")
    for arguments, options, message in (
        ((FIX, source, source, "x"), {}, "Expected another place"),
        ((FIX, tmp_path / "none.npy", out, "x"), {}, "does not exist"),
        ((FIX, tmp_path / "cut.npy", out, "x"), {}, "cut.npy is damaged"),
        ((FIX, tmp_path / "d.txt", out, "x"), {}, "files ending in .npy, .npz, .safetensors"),
        ((FIX, source, tmp_path / "b.npz", "x"), {}, "ending in .npy to write to"),
        ((FIX, source, tmp_path / "none" / "b.npy", "x"), {}, "none does not exist"),
        ((FIX, source, out, "image"), {}, "a side among x, y"),
        ((FIX, named, tmp_path / "e.npz", "x"), {}, "name the one that holds vectors"),
        ((FIX, named, tmp_path / "e.npz", "x"), {"key": "z"}, "has no array 'z'"),
        ((Noise().fit(X, Y), source, out, "y"), {}, "Noise depends on the place"),
    ):
        with pytest.raises(PairsError, match=message.replace(".", r"\.")):
            apply_to_stored(*arguments, **options)
    assert not out.exists()


def test_memory_does_not_grow_with_the_file(tmp_path) -> None:
    """40,000 rows of 256 numbers take 41 MB; blocks of 2^16 numbers take 0.3 MB."""
    rows = np.random.default_rng(0).normal(size=(40_000, 256)).astype(np.float32)
    fix = Center().fit(rows[:50], rows[50:100])
    source = write(tmp_path / "a.npy", rows)

    def apply():
        return apply_to_stored(fix, source, tmp_path / "b.npy", "x", numbers_per_block=2**16)

    applied, peak = most_memory(apply)
    assert applied.rows == 40_000
    assert peak < 8e6


def test_the_journal_says_how_far_a_file_is(tmp_path) -> None:
    source = write(tmp_path / "a.npy", ROWS)
    progress, _ = stop_after(3)
    with pytest.raises(StoppedError):
        apply_to_stored(
            FIX, source, tmp_path / "b.npy", "x", numbers_per_block=12 * 50, progress=progress
        )
    entry = json.loads((tmp_path / ".b.npy.journal").read_text())
    assert entry["rows"] == 150

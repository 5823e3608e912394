"""Pairs in groups: several captions of an image, as an array (n, k, d) or as ids of rows."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch

from gapbook.exceptions import ColumnsError, PairsError
from gapbook.groups import drawn_rows, first_rows, flat_pairs, rows_in_order
from gapbook.pairs import PairedEmbeddings

N = 6
K = 3
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((N, 4)).astype(np.float32)
CAPTIONS = RNG.standard_normal((N, K, 4)).astype(np.float32)
FLAT = CAPTIONS.reshape(-1, 4)
GROUPED = PairedEmbeddings.from_groups(IMAGES, CAPTIONS)
# Captions of images in any order, 1 to 4 of each.
IMAGE_IDS = np.array([40, 7, 22, 13, 5, 31])
CAPTION_IDS = np.array([7, 40, 40, 5, 31, 22, 13, 7, 31, 31, 31, 5, 13, 7])


def assert_same(one, other):
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_array_equal(one.groups, other.groups)


def test_an_image_is_there_once_for_each_caption():
    images = PairedEmbeddings(IMAGES, IMAGES).x
    np.testing.assert_array_equal(GROUPED.x, np.repeat(images, K, axis=0))
    np.testing.assert_array_equal(GROUPED.y, PairedEmbeddings(FLAT, FLAT).y)
    assert GROUPED.groups.tolist() == np.repeat(np.arange(N), K).tolist()
    assert (len(GROUPED), GROUPED.n_groups) == (N * K, N)
    assert repr(GROUPED) == (
        "PairedEmbeddings(18 pairs of image and text in 6 groups, 4 dimensions)"
    )
    with pytest.raises(ValueError, match="read-only"):
        GROUPED.groups[0] = 3


def test_lists_and_tensors_have_groups_too():
    assert_same(PairedEmbeddings.from_groups(IMAGES.tolist(), CAPTIONS.tolist()), GROUPED)
    tensors = torch.tensor(IMAGES), torch.tensor(CAPTIONS)
    assert_same(PairedEmbeddings.from_groups(*tensors), GROUPED)
    ids = torch.arange(N), torch.arange(N).repeat_interleave(K)
    flat = tensors[0], tensors[1].reshape(-1, 4)
    assert_same(PairedEmbeddings.from_groups(*flat, ids), GROUPED)


@pytest.mark.parametrize("kind", [int, np.uint8, str, object, bytes])
def test_ids_pair_rows_in_any_order_and_number(kind):
    y = RNG.standard_normal((len(CAPTION_IDS), 4))
    ids = (IMAGE_IDS.astype(str).astype(kind), CAPTION_IDS.astype(str).astype(kind))
    pairs = PairedEmbeddings.from_groups(IMAGES, y, ids)
    np.testing.assert_array_equal(pairs.y, PairedEmbeddings(y, y).y)
    images = PairedEmbeddings(IMAGES, IMAGES).x
    for row, label in enumerate(CAPTION_IDS):
        np.testing.assert_array_equal(pairs.x[row], images[IMAGE_IDS.tolist().index(label)])
    for group in range(pairs.n_groups):
        assert len(set(CAPTION_IDS[pairs.groups == group])) == 1
    assert pairs.n_groups == len(set(CAPTION_IDS))


def test_numbers_and_their_text_are_the_same_ids():
    pairs = PairedEmbeddings.from_groups(IMAGES, FLAT, (np.arange(N), np.repeat(list("012345"), K)))
    assert_same(pairs, GROUPED)


def test_ids_of_pairs_are_groups_of_rows_that_are_there_already():
    rows = np.repeat(IMAGES, K, axis=0)
    labels = np.repeat(list("abcdef"), K)
    assert_same(PairedEmbeddings.from_groups(rows, FLAT, [labels]), GROUPED)
    assert_same(PairedEmbeddings.from_groups(rows, FLAT, [labels, labels]), GROUPED)
    # Rounded to 16 bits in one place.
    rows[1] *= 1 + 1e-4 * RNG.standard_normal(4)
    assert_same(PairedEmbeddings(rows, FLAT, groups=labels), GROUPED)


BAD = {
    "Expected as many groups in y (n, k, d) as rows in x (n, d); got (6, 4) and (5, 3, 4)": (
        (IMAGES, CAPTIONS[:5], None)
    ),
    "Expected x of shape (n, d), one row for each group; got (6, 3, 4) beside (6, 2, 4)": (
        (CAPTIONS, CAPTIONS[:, :2], None)
    ),
    "got (6, 3, 4) beside (6, 4): give the side with one row in each group first": (
        (CAPTIONS, IMAGES, None)
    ),
    "at least one row in each group of y; got (6, 0, 4)": (IMAGES, CAPTIONS[:, :0], None),
    "that is both sides of pairs, so give this file alone": (
        (IMAGES, np.stack([IMAGES, IMAGES]), None)
    ),
    "1 of 18 rows of y have an id without partner (first: '9'): drop these rows or add": (
        (IMAGES, FLAT, (np.arange(N), [9, *np.repeat(np.arange(N), K)[1:]]))
    ),
    "Expected ids as a sequence of one or two arrays, such as (ids_x, ids_y); got 0 of them": (
        (IMAGES, FLAT, ())
    ),
    "Expected ids as a sequence of one or two arrays, such as (ids_x, ids_y); got 6 of them": (
        (IMAGES, FLAT, np.arange(N))
    ),
    "1 of 6 rows of x have an id without partner (first: '9')": (
        (IMAGES, FLAT, ([0, 1, 2, 3, 4, 9], np.repeat(np.arange(5), [3, 3, 3, 3, 6])))
    ),
    "The id '2' comes more than once in x, whose ids are not those of y row by row": (
        (IMAGES, FLAT, ([0, 1, 2, 2, 4, 5], np.repeat(np.arange(N), K)))
    ),
    "Expected the ids of y for 18 rows, of shape (18,); got (17,)": (
        (IMAGES, FLAT, (np.arange(N), np.repeat(np.arange(N), K)[1:]))
    ),
    "Expected the ids of x as integers or strings; got dtype float64": (
        (IMAGES, FLAT, (np.arange(N) / 2, np.repeat(np.arange(N), K)))
    ),
    "Expected the ids of y as integers or strings; row 3 has None": (
        (IMAGES, FLAT, (np.arange(N), [0, 0, 0, None, *np.repeat(np.arange(N), K)[4:]]))
    ),
    "Expected the ids of x for each row; row 1 has none: fill it in": (
        (IMAGES, FLAT, (["a", "", "b", "c", "d", "e"], np.repeat(np.arange(N), K)))
    ),
    "One array of ids is for pairs, and x has 6 rows and y 18": ((IMAGES, FLAT, [np.arange(N)])),
    "Expected y of shape (n, d) beside ids; got (6, 3, 4): leave the ids out": (
        (IMAGES, CAPTIONS, [np.arange(N)])
    ),
    "Expected one row of x in each group; row 1 is another than the first of its group": (
        (IMAGES, IMAGES, [[0, 0, 1, 1, 2, 2]])
    ),
    "at least 2 groups are needed; got 1 for all 6 pairs": (IMAGES, IMAGES, [[5] * 6]),
    "Expected the ids of x as an array of integers or strings; got 'ids'": (
        (IMAGES, FLAT, ("ids", "ids"))
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_ambiguous_is_refused_in_one_sentence(message):
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.from_groups(*BAD[message])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_arrays_without_groups_pass_as_they_are():
    x, y, groups = flat_pairs(IMAGES, IMAGES)
    assert x is IMAGES
    assert y is IMAGES
    assert groups is None
    assert PairedEmbeddings(IMAGES, IMAGES).n_groups == N


def test_a_subset_keeps_groups_and_numbers_them_anew():
    part = GROUPED.subset([17, 4, 5, 15])
    assert part.groups.tolist() == [0, 1, 1, 0]
    np.testing.assert_array_equal(part.x[0], GROUPED.x[17])
    single = GROUPED.one_of_each_group()
    assert single.groups is None
    np.testing.assert_array_equal(single.x, GROUPED.x[::K])
    np.testing.assert_array_equal(single.y, GROUPED.y[::K])
    with pytest.raises(PairsError, match="at least 2 groups are needed"):
        GROUPED.subset([0, 1])


def test_rows_of_groups_follow_the_order_of_the_groups():
    groups = np.array([0, 1, 1, 2, 0, 3])
    assert first_rows(groups).tolist() == [0, 1, 3, 5]
    assert rows_in_order(groups, np.array([3, 0, 1])).tolist() == [5, 0, 4, 1, 2]
    alone = np.arange(7)
    order = np.random.default_rng(1).permutation(7)
    assert rows_in_order(alone, order).tolist() == order.tolist()


@pytest.mark.parametrize("count", [2, 5, 7, 17])
def test_a_draw_has_whole_groups(count):
    rows = drawn_rows(18, GROUPED.groups, count, np.random.default_rng(count))
    _, sizes = np.unique(GROUPED.groups[rows], return_counts=True)
    assert set(sizes) == {K}
    assert len(sizes) == max(2, count // K)
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_a_draw_of_single_rows_is_that_without_groups():
    draws = []
    for groups in (None, np.arange(50)):
        draws.append(drawn_rows(50, groups, 20, np.random.default_rng(3)).tolist())
    assert draws[0] == draws[1]


# ---- files


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_groups_come_back_from_a_file(tmp_path, suffix):
    path = tmp_path / f"pairs{suffix}"
    GROUPED.save(path)
    loaded = PairedEmbeddings.load(path)
    assert_same(loaded, GROUPED)
    assert loaded.groups.dtype == np.int64
    part = loaded.subset([0, 2, 3, 5])
    part.save(path)
    assert_same(PairedEmbeddings.load(path), part)
    # Groups that are named have the place of those in the file.
    np.save(tmp_path / "ids.npy", [0, 0, 1, 1])
    again = PairedEmbeddings.load(path, groups=tmp_path / "ids.npy")
    assert again.groups.tolist() == [0, 0, 1, 1]


def test_a_file_without_room_for_groups_is_refused(tmp_path):
    with pytest.raises(PairsError, match=r"\.npz or \.safetensors, which hold groups; got .*npy"):
        GROUPED.save(tmp_path / "pairs.npy")
    assert not list(tmp_path.iterdir())


def test_an_array_that_others_call_groups_is_left_alone(tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES, y=IMAGES, groups=np.zeros(3))
    assert PairedEmbeddings.load(tmp_path / "a.npz").groups is None
    meta = json.dumps({"groups": 3})
    np.savez(tmp_path / "a.npz", x=IMAGES, y=IMAGES, groups=np.zeros(3), meta=np.array(meta))
    with pytest.raises(PairsError, match=r"got dtype float64: convert .*\.astype\(int\)"):
        PairedEmbeddings.load(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=IMAGES, y=IMAGES, meta=np.array(meta))
    with pytest.raises(ColumnsError, match="Expected the key groups"):
        PairedEmbeddings.load(tmp_path / "a.npz")


def test_files_of_several_captions_are_read(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "captions.npy", CAPTIONS)
    torch.save(torch.tensor(CAPTIONS), tmp_path / "captions.pt")
    np.savez(tmp_path / "captions.npz", ids=np.arange(N), captions=CAPTIONS)
    safetensors.numpy.save_file({"x": IMAGES, "y": CAPTIONS}, tmp_path / "both.safetensors")
    for name in ("captions.npy", "captions.pt", "captions.npz"):
        loaded = PairedEmbeddings.load(tmp_path / "images.npy", tmp_path / name)
        assert_same(loaded, GROUPED)
        assert loaded.source == f"images.npy and {name}"
    assert_same(PairedEmbeddings.load(tmp_path / "both.safetensors"), GROUPED)
    with pytest.raises(PairsError, match="give the side with one row in each group first"):
        PairedEmbeddings.load(tmp_path / "captions.npy", tmp_path / "images.npy")


def test_captions_as_steps_of_8_bits_are_dequantized(tmp_path):
    steps = RNG.integers(0, 256, size=(N, K, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "captions.npy", steps)
    files = tmp_path / "images.npy", tmp_path / "captions.npy"
    with pytest.raises(PairsError, match=r"Expected y as an array .* got dtype uint8"):
        PairedEmbeddings.load(*files)
    loaded = PairedEmbeddings.load(*files, dequantize={"y": (-1, 1)})
    expected = PairedEmbeddings.from_groups(IMAGES, steps / 127.5 - 1)
    np.testing.assert_allclose(loaded.y, expected.y, atol=1e-6)


def test_ids_are_read_from_files_and_by_name(tmp_path):
    y = RNG.standard_normal((len(CAPTION_IDS), 4)).astype(np.float32)
    expected = PairedEmbeddings.from_groups(IMAGES, y, (IMAGE_IDS, CAPTION_IDS))
    np.savez(tmp_path / "a.npz", v=IMAGES, id=IMAGE_IDS)
    np.savez(tmp_path / "b.npz", w=y, id=CAPTION_IDS.astype(str))
    np.savez(tmp_path / "c.npz", x=IMAGES, y=y, of_x=IMAGE_IDS, of_y=CAPTION_IDS)
    np.save(tmp_path / "of_x.npy", IMAGE_IDS.astype(str))
    np.save(tmp_path / "of_y.npy", CAPTION_IDS)
    both = tmp_path / "a.npz", tmp_path / "b.npz"
    assert_same(PairedEmbeddings.load(*both, groups="id"), expected)
    assert_same(PairedEmbeddings.load(*both, groups=("id", "id")), expected)
    files = [tmp_path / "of_x.npy", tmp_path / "of_y.npy"]
    assert_same(PairedEmbeddings.load(*both, groups=files), expected)
    assert_same(PairedEmbeddings.load(tmp_path / "c.npz", groups=("of_x", "of_y")), expected)
    safetensors.numpy.save_file({"v": y, "id": CAPTION_IDS}, tmp_path / "d.safetensors")
    loaded = PairedEmbeddings.load(both[0], tmp_path / "d.safetensors", groups="id")
    assert_same(loaded, expected)


def test_ids_are_read_from_columns_of_tables(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    y = RNG.standard_normal((len(CAPTION_IDS), 4)).astype(np.float32)
    expected = PairedEmbeddings.from_groups(IMAGES, y, (IMAGE_IDS, CAPTION_IDS))
    lines = []
    for label, row in zip(CAPTION_IDS.tolist(), y.tolist(), strict=True):
        lines.append(json.dumps({"id": label, "vector": row}))
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    table = {"id": IMAGE_IDS.astype(str).tolist(), "vector": IMAGES.tolist()}
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    loaded = PairedEmbeddings.load(tmp_path / "a.parquet", tmp_path / "b.jsonl", groups="id")
    np.testing.assert_allclose(loaded.y, expected.y, atol=1e-6)
    np.testing.assert_array_equal(loaded.x, expected.x)
    np.testing.assert_array_equal(loaded.groups, expected.groups)
    with pytest.raises(ColumnsError, match="Expected the key ids"):
        PairedEmbeddings.load(tmp_path / "a.parquet", tmp_path / "b.jsonl", groups="ids")


def test_pairs_of_one_file_have_ids_beside_them(tmp_path):
    rows = np.repeat(IMAGES, K, axis=0)
    labels = np.repeat(list("abcdef"), K)
    np.savez(tmp_path / "a.npz", x=rows, y=FLAT, id=labels)
    numbers = torch.tensor(GROUPED.groups)
    torch.save({"x": torch.tensor(rows), "y": torch.tensor(FLAT), "id": numbers}, tmp_path / "a.pt")
    lines = []
    for x, y, label in zip(rows.tolist(), FLAT.tolist(), labels.tolist(), strict=True):
        lines.append(json.dumps({"x": x, "y": y, "id": label}))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for name in ("a.npz", "a.pt", "a.jsonl"):
        loaded = PairedEmbeddings.load(tmp_path / name, groups="id")
        np.testing.assert_allclose(loaded.y, GROUPED.y, atol=1e-6)
        assert loaded.groups.tolist() == GROUPED.groups.tolist()
    np.save(tmp_path / "ids.npy", labels)
    np.save(tmp_path / "both.npy", np.stack([rows, FLAT]))
    assert_same(PairedEmbeddings.load(tmp_path / "both.npy", groups=tmp_path / "ids.npy"), GROUPED)


BAD_SOURCES = {
    "images.npy has one array without a name, and so no id: give the ids as a file, ids.npy": "id",
    "Expected ids of shape (n,) in": "images.npy",
    "Expected a file; none.npy does not exist": "none.npy",
    "as a .npy file of ids or the name of an array of them, or two of these": ("a", "b", "c"),
    "holds pickled objects": "objects.npy",
}


@pytest.mark.parametrize("message", BAD_SOURCES)
def test_ids_that_cannot_be_read_are_refused(tmp_path, monkeypatch, message):
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", IMAGES)
    np.save("captions.npy", FLAT)
    np.save("objects.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(PairsError) as error:
        PairedEmbeddings.load("images.npy", "captions.npy", groups=BAD_SOURCES[message])
    assert message in str(error.value)


def test_damaged_ids_are_refused():
    damaged = np.array([0x66666666] * N, np.uint32).view("<U1")
    with pytest.raises(
        PairsError, match="Expected groups as integers or strings; got what is no text"
    ):
        PairedEmbeddings(IMAGES, IMAGES, groups=damaged)


def test_large_ids_are_told_apart():
    large = 2**60 + np.arange(N)
    pairs = PairedEmbeddings.from_groups(IMAGES, FLAT, (large, np.repeat(large, K).astype("u8")))
    assert_same(pairs, GROUPED)


def test_a_folder_of_clip_retrieval_has_no_names_of_groups(tmp_path):
    (tmp_path / "img_emb").mkdir()
    (tmp_path / "text_emb").mkdir()
    for side in ("img", "text"):
        np.save(tmp_path / f"{side}_emb" / f"{side}_emb_0.npy", IMAGES)
    with pytest.raises(PairsError, match="is a folder, which has no array id"):
        PairedEmbeddings.load(tmp_path, groups="id")

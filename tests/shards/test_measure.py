"""Reports over folders of shards: the same numbers as in memory, whatever the order, the workers and what dies."""

import json
import os
import signal
import sys
import threading
from hashlib import blake2b
from itertools import pairwise

import cloudpickle
import distributed
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
import torch
from distributed import Client, LocalCluster, WorkerPlugin
from distributed.scheduler import KilledWorker
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.geometry import gap_report
from gapbook.geometry.sums import Sums
from gapbook.pairs import PairedEmbeddings
from gapbook.shards import measure_shards, shard_report
from gapbook.shards.cluster import connect
from gapbook.shards.files import read_pairs, shard_names, width_of
from gapbook.shards.measure import Options, exact_values, measure, merge, row_keys

EXACT = {
    "modality_gap",
    "cosine_within_x",
    "cosine_within_y",
    "cosine_paired",
    "cosine_across",
    "squared_gap_unbiased",
    "relative_modality_gap",
    "alignment",
    "gap_share_top2",
    "effective_rank_x",
    "effective_rank_y",
    "isoscore_x",
    "isoscore_y",
    "cka",
    "cka_debiased",
}


def drawn(n, d=8, seed=0):
    """Draw pairs that share a part and lie apart."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = shared + rng.normal(size=(n, d)) + 0.5, shared + rng.normal(size=(n, d)) - 0.3
    return PairedEmbeddings(x, y)


def table_of(pairs, columns=("x", "y"), fixed=False):
    width = pairs.x.shape[1]
    kind = pyarrow.list_(pyarrow.float32(), width if fixed else -1)
    arrays = [pyarrow.array(list(side), type=kind) for side in (pairs.x, pairs.y)]
    return pyarrow.table(dict(zip(columns, arrays, strict=True)))


def save(folder, pairs, cuts):
    """Save pairs as numbered ``.npy`` shards, cut at these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (start, stop) in enumerate(pairwise([0, *cuts, len(pairs)])):
        np.save(folder / f"{number:03}.npy", np.stack([pairs.x[start:stop], pairs.y[start:stop]]))
    return folder


@pytest.fixture(scope="module")
def client():
    """Two workers in this process, which start at once."""
    with Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as client:
        yield client


def assert_same(table, expected, atol=1e-6, columns=("value", "low", "high")):
    assert table["metric"].tolist() == expected["metric"].tolist()
    for column in columns:
        np.testing.assert_allclose(
            table[column], expected[column], atol=atol, rtol=0, err_msg=column
        )


def test_files_of_every_kind_give_the_numbers_of_memory(tmp_path, client):
    pairs = drawn(203)
    save(tmp_path, pairs.subset(slice(0, 100)), [40, 41])  # one shard has a single pair
    pairs.subset(slice(100, 130)).save(tmp_path / "a.npz")
    (tmp_path / "b").mkdir()
    pairs.subset(slice(130, 160)).save(tmp_path / "b" / "c.safetensors")
    pyarrow.parquet.write_table(table_of(pairs.subset(slice(160, 180))), tmp_path / "d.parquet")
    fixed = table_of(pairs.subset(slice(180, 203)), fixed=True)
    pyarrow.parquet.write_table(fixed, tmp_path / "e.parquet", row_group_size=5)
    (tmp_path / ".hidden.npy").write_bytes(b"no shard")
    found = measure_shards(tmp_path, client, replicates=200)
    assert_same(found.table, gap_report(pairs, replicates=200))
    assert found.shards == 7 and found.skipped == {} and found.notes == ["203 pairs in 7 shards."]
    assert set(found.table["pairs"]) == {203}
    np.testing.assert_array_equal(
        found.paired, np.histogram((pairs.x * pairs.y).sum(1), 100, (-1, 1))[0]
    )


def test_more_pairs_than_the_sample(tmp_path, client):
    pairs = drawn(4000)
    folder, cuts = tmp_path / "shards", [500, 1700, 1800, 3000]
    table = shard_report(save(folder, pairs, cuts), client, sample=1000, replicates=300)
    whole, rows = gap_report(pairs, replicates=300), table.set_index("metric")
    exact = whole["metric"].isin(EXACT | {"n_pairs", "dimension"})
    assert_same(table[exact], whole[exact], columns=["value"])
    assert set(rows.index[rows["pairs"] == 4000]) == EXACT | {"n_pairs", "dimension"}
    assert set(rows.index[rows["pairs"] == 1000]) == set(whole.loc[~exact, "metric"])
    found = measure_shards(folder, client, sample=1000, replicates=300)
    pd.testing.assert_frame_equal(found.table, table, check_exact=True)
    assert_same(
        table[~exact], gap_report(found.sample, replicates=300, sample=1000)[~exact], atol=1e-12
    )
    widths = [
        (side.set_index("metric")[["low", "high"]] @ [-1, 1])[list(EXACT)]
        for side in (table, whole)
    ]
    assert np.exp(np.log(widths[0] / widths[1]).mean()) == pytest.approx(1, abs=0.15)
    assert (widths[0] / widths[1]).between(0.5, 2).all()
    assert "sample of 1,000" in table.attrs["notes"][1]
    keys = {row.tobytes() for row in pairs.x}
    assert len(found.sample) == 1000 and {row.tobytes() for row in found.sample.x} <= keys


def test_order_grouping_and_workers_change_nothing(tmp_path):
    folder = save(tmp_path, drawn(1000), [100, 350, 360, 700, 900])
    parts = [
        measure(folder, name, i, 8, Options(sample=200))
        for i, name in enumerate(shard_names(folder))
    ]
    rng, first = np.random.default_rng(0), merge(parts, 200)
    for _ in range(5):
        mixed = [parts[i] for i in rng.permutation(len(parts))]
        other = merge([merge(mixed[:2], 200), merge([merge(mixed[2:5], 200), mixed[5]], 200)], 200)
        np.testing.assert_array_equal(other.sample.rows, first.sample.rows)
        np.testing.assert_array_equal(other.paired, first.paired)
        for name in ("x", "y", "xx", "yy", "xy"):
            assert torch.allclose(
                getattr(other.sums, name), getattr(first.sums, name), rtol=0, atol=1e-10
            )
    tables = []
    for workers in (1, 3):
        with Client(
            processes=False,
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
        ) as few:
            tables.append(shard_report(folder, few, sample=200, replicates=50))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@settings(max_examples=25)
@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 10**6), st.booleans())
def test_values_from_sums_are_those_of_memory(n, d, seed, identical):
    pairs = drawn(n, d, seed)
    if identical:
        pairs = PairedEmbeddings(pairs.x, pairs.x)
    values = exact_values(
        Sums.of(torch.from_numpy(pairs.x.copy()), torch.from_numpy(pairs.y.copy()))
    )
    expected = gap_report(pairs, replicates=2).set_index("metric")["value"]
    assert set(values) == EXACT
    for name, value in values.items():
        assert value == pytest.approx(expected[name], abs=1e-6, nan_ok=True), name


def test_keys_are_splitmix64_and_spread_evenly():
    state, expected = int.from_bytes(blake2b(b"0/a", digest_size=8).digest(), "little"), []
    for _ in range(4):  # the reference implementation, in integers
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        expected.append(z ^ (z >> 31))
    assert row_keys("a", 4).tolist() == expected
    counts = np.bincount((row_keys("b", 10_000) >> np.uint64(60)).astype(int), minlength=16)
    assert ((counts - 625) ** 2 / 625).sum() < 37.7  # chi squared, 15 degrees of freedom, 0.1 %
    assert row_keys("a", 4, seed=1).tolist() != expected


DAMAGE = {
    "empty.npy": lambda path: path.write_bytes(b""),
    "pickled.npy": lambda path: np.save(path, np.array([{}, {}], object), allow_pickle=True),
    "shape.npy": lambda path: np.save(path, np.ones((3, 4, 8))),
    "wide.npy": lambda path: np.save(path, np.ones((2, 4, 9))),
    "nan.npy": lambda path: np.save(path, np.full((2, 4, 8), np.nan)),
    "none.npy": lambda path: np.save(path, np.ones((2, 0, 8))),
    "cut.npz": lambda path: (drawn(50).save(path), path.write_bytes(path.read_bytes()[:700])),
    "names.npz": lambda path: np.savez(path, a=np.ones((4, 8)), b=np.ones((4, 8))),
    "cut.safetensors": lambda path: (
        drawn(50).save(path),
        path.write_bytes(path.read_bytes()[:700]),
    ),
    "cut.parquet": lambda path: (
        pyarrow.parquet.write_table(table_of(drawn(50)), path),
        path.write_bytes(path.read_bytes()[:700]),
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_shard_is_named(tmp_path, client, name):
    save(tmp_path, drawn(60), [30])
    DAMAGE[name](tmp_path / name)
    advice = (
        "name them by --columns X Y$" if name == "names.npz" else "--skip-bad"
    )  # sound, under other names
    with pytest.raises(PairsError, match=rf"^shard {name}: .*{advice}"):
        measure_shards(tmp_path, client, replicates=10)


def test_damaged_shards_are_left_out_and_counted(tmp_path, client):
    pairs = drawn(60)
    save(tmp_path / "1", pairs, [30])
    for name, damage in DAMAGE.items():
        damage(tmp_path / name)
    (tmp_path / "0.npy").write_bytes(b"the first is damaged too")
    found = measure_shards(tmp_path, client, replicates=50, skip_bad=True)
    assert_same(found.table, gap_report(pairs, replicates=50))
    assert set(found.skipped) == {*DAMAGE, "0.npy"} and found.shards == 2
    assert found.notes[-1].startswith(
        "Damaged or of another width, and left out: 11 of 13 (0.npy, cut.npz, "
    )
    assert "9" in found.skipped["wide.npy"] and "non-finite" in found.skipped["nan.npy"]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_an_odd_first_shard_is_the_one_refused(tmp_path, client, suffix):
    pairs, odd = drawn(60), f"000{suffix}"
    for name, some in (
        (odd, drawn(30, 9)),
        ("1" + suffix, pairs.subset(slice(30))),
        ("2.npy", pairs.subset(slice(30, 60))),
    ):
        if name.endswith(".parquet"):
            pyarrow.parquet.write_table(table_of(some), tmp_path / name)
        else:
            some.save(tmp_path / name)
    with pytest.raises(
        PairsError,
        match=rf"^shard {odd}: Expected 8 dimensions, the most frequent .*; got 9\..*--skip-bad",
    ):
        measure_shards(tmp_path, client, replicates=10)
    found = measure_shards(tmp_path, client, replicates=50, skip_bad=True)
    assert_same(found.table, gap_report(pairs, replicates=50))
    assert found.shards == 2 and list(found.skipped) == [odd]
    assert found.notes[-1] == f"Damaged or of another width, and left out: 1 of 3 ({odd})."


def test_of_two_widths_as_frequent_the_first_counts(tmp_path, client):
    for name, d in (("a.npy", 9), ("b.npy", 8)):
        drawn(30, d).save(tmp_path / name)
    with pytest.raises(PairsError, match=r"^shard b.npy: Expected 9 dimensions"):
        measure_shards(tmp_path, client, replicates=10)
    (tmp_path / "0.npy").write_bytes(b"damaged, without a width")
    drawn(30, 8).save(tmp_path / "c.npy")
    assert measure_shards(tmp_path, client, replicates=10, skip_bad=True).skipped.keys() == {
        "0.npy",
        "a.npy",
    }


def test_widths_come_from_headers_alone(tmp_path):
    pairs = drawn(50, 7)
    for suffix in (".npy", ".npz", ".safetensors"):
        pairs.save(tmp_path / f"a{suffix}")
    np.savez_compressed(tmp_path / "b.npz", image=pairs.x, text=pairs.y)
    with (tmp_path / "c.npy").open("wb") as file:
        np.lib.format.write_array(file, np.stack([pairs.x, pairs.y]), version=(2, 0))
    for name, fixed in (("d", False), ("e", True)):
        pyarrow.parquet.write_table(
            table_of(pairs, ("image", "text"), fixed), tmp_path / f"{name}.parquet"
        )
    own = {"b.npz", "d.parquet", "e.parquet"}
    for name in shard_names(tmp_path):
        columns = ("image", "text") if name in own else ("x", "y")
        assert (
            width_of(tmp_path / name, columns)
            == read_pairs(tmp_path / name, columns)[0].shape[1]
            == 7
        )
        assert width_of(tmp_path / name, ("no", "none")) is (None if name[-4:] != ".npy" else 7)
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:200])  # 128 bytes are its header
    assert width_of(tmp_path / "a.npy") == 7
    (tmp_path / "a.npy").write_bytes(whole[:100])
    assert width_of(tmp_path / "a.npy") is width_of(tmp_path / "gone.npy") is None


def test_hidden_files_and_others_are_no_shards(tmp_path):
    for name in (
        "a.npy",
        "B/c.parquet",
        "B/_temporary/d.npy",
        ".cache/e.npy",
        "_metadata.parquet",
        "f.txt",
        "g.npy/h.npz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert shard_names(tmp_path) == ["B/c.parquet", "a.npy", "g.npy/h.npz"]
    with pytest.raises(PairsError, match=r"folder of shards; .*f\.txt is a file"):
        shard_names(tmp_path / "f.txt")


def test_nothing_to_measure(tmp_path, client):
    with pytest.raises(PairsError, match="does not exist"):
        measure_shards(tmp_path / "no", client)
    with pytest.raises(PairsError, match="there are none"):
        measure_shards(tmp_path, client)
    DAMAGE["nan.npy"](tmp_path / "a.npy")
    with pytest.raises(PairsError, match=r"no shard in .* can be read; the first is a.npy"):
        measure_shards(tmp_path, client, skip_bad=True)
    with pytest.raises(PairsError, match="sample as an integer"):
        measure_shards(tmp_path, client, sample=1)


def test_parquet_columns(tmp_path):
    path, pairs = tmp_path / "a.parquet", drawn(5, 3)
    pyarrow.parquet.write_table(table_of(pairs, ("image", "caption")).slice(1), path)
    for found, side in zip(read_pairs(path, ("image", "caption")), (pairs.x, pairs.y), strict=True):
        np.testing.assert_array_equal(found, side[1:])
    with pytest.raises(PairsError, match=r"Expected x and y in .*; got caption, image"):
        read_pairs(path)
    bad = {
        "got double": pyarrow.array([1.0, 2.0]),
        "1 empty cells": pyarrow.array([[1.0, 2.0], None]),
        "got dictionary": pyarrow.array(["a caption", "another"]).dictionary_encode(),
        r"of one length .* got \[1, 2\]": pyarrow.array([[1.0, 2.0], [1.0]]),
    }
    for message, column in bad.items():
        pyarrow.parquet.write_table(pyarrow.table({"x": column, "y": column}), path)
        with pytest.raises(PairsError, match=message):
            read_pairs(path)


def test_without_dask_the_message_says_what_to_install(tmp_path, monkeypatch):
    save(tmp_path, drawn(10), [5])
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match="pip install distributed"):
        measure_shards(tmp_path)
    pyarrow.parquet.write_table(table_of(drawn(5)), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPackageError, match="pip install distributed pyarrow"):
        read_pairs(tmp_path / "a.parquet")


def test_an_interrupted_start_closes_the_cluster_and_gives_back_stderr(monkeypatch, capfd):
    states = []

    class Starting:
        def __init__(self, **settings):
            os.write(2, b"noise of new processes")
            os.kill(os.getpid(), signal.SIGINT)  # noted while they start, raised afterwards
            states.append(settings["n_workers"])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            states.append("closed")

    monkeypatch.setattr(distributed, "LocalCluster", Starting)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), connect(workers=1):
        states.append("used")
    os.write(2, b"heard again")
    assert states == [1, "closed"] and capfd.readouterr().err == "heard again"
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_cluster_here_has_at_most_one_worker_a_core_and_starts_in_any_thread(monkeypatch):
    asked = []

    class Cluster(distributed.LocalCluster):
        def __init__(self, **settings):
            asked.append(settings["n_workers"])
            super().__init__(**settings | {"n_workers": 0, "processes": False})

    def start():
        with connect(workers=1000) as client:
            asked.append(client.status)

    monkeypatch.setattr(distributed, "LocalCluster", Cluster)
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert asked == [os.cpu_count(), "running"]


class Killer(WorkerPlugin):
    """End the first worker that has measured its third shard, once: what it held is lost."""

    def __init__(self, marker):
        self.marker, self.done = str(marker), 0

    def transition(self, key, start, finish, **_):
        self.done += str(key).startswith("shard-") and finish == "memory"
        if self.done == 3:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os._exit(1)


def test_a_shard_that_no_worker_survives_is_named(tmp_path, client, monkeypatch):
    class Lost:
        def result(self):
            raise KilledWorker(self.task, None, 3)

        def cancel(self):
            pass

    save(tmp_path, drawn(60), [30])
    monkeypatch.setattr(client, "compute", lambda tree: Lost())
    for task, name in (
        ("shard-0a-1", "001.npy"),
        ("width-0a-0", "000.npy"),
        ("merge-0a-1", "parts of shards"),
    ):
        Lost.task = task
        with pytest.raises(
            PairsError, match=f"workers died again and again on {name}: give them more memory"
        ):
            measure_shards(tmp_path, client)


@pytest.mark.slow
def test_a_worker_that_dies_changes_nothing(tmp_path, client):
    folder = save(tmp_path / "shards", drawn(600), range(30, 600, 30))
    expected = shard_report(folder, client, sample=100, replicates=50)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    settings = {
        "n_workers": 2,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": 50,
    }
    with LocalCluster(**settings) as cluster, Client(cluster) as processes:
        processes.register_plugin(Killer(tmp_path / "killed"))
        found = shard_report(folder, processes, sample=100, replicates=50)
        assert (tmp_path / "killed").exists()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert json.dumps(found.attrs["notes"]) == json.dumps(expected.attrs["notes"])

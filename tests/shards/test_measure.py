"""Reports over folders of shards: the numbers of memory, whatever the order, workers and losses."""

import json
import os
import re
import sys
import time
from contextlib import contextmanager
from hashlib import blake2b
from itertools import pairwise

import cloudpickle
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import torch
from distributed import Client, WorkerPlugin
from helpers import parquet_table, sample

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.geometry import MEASURES, gap_report
from gapbook.pairs import PairedEmbeddings
from gapbook.shards import measure_shards, partial, shard_report
from gapbook.shards.cluster import connect
from gapbook.shards.files import shard_names
from gapbook.shards.partial import ShardSettings, measure_shard, merge_results, row_hashes
from gapbook.shards.schedule import require_room_for_sample

NAMES = list(MEASURES)
# What sums over all pairs give, and the numbers of pairs and dimensions.
EXACT = set(NAMES[: NAMES.index("n_sampled")])
IN_THIS_PROCESS = {
    "processes": False,
    "threads_per_worker": 1,
    "dashboard_address": "127.0.0.1:0",
}


def drawn(n, d=8, seed=0):
    return PairedEmbeddings(*sample(n, d, seed=seed))


def save(folder, pairs, cuts):
    """Save pairs as numbered ``.npy`` shards, cut at these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (start, stop) in enumerate(pairwise([0, *cuts, len(pairs)])):
        np.save(folder / f"{number:03}.npy", np.stack([pairs.x[start:stop], pairs.y[start:stop]]))
    return folder


def write(path, pairs):
    """Save pairs in the format that the suffix of the path says."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(parquet_table(pairs), path)
    else:
        pairs.save(path)


def cut_off(path):
    """Save pairs, and leave the first 700 bytes of the file."""
    write(path, drawn(50))
    path.write_bytes(path.read_bytes()[:700])


def assert_same(table, expected, atol=1e-6, columns=("value", "low", "high")):
    assert table["metric"].tolist() == expected["metric"].tolist()
    for column in columns:
        np.testing.assert_allclose(
            table[column], expected[column], atol=atol, rtol=0, err_msg=column
        )


def widths(table):
    rows = table.set_index("metric").loc[sorted(EXACT - {"n_pairs", "dimension"})]
    return rows["high"] - rows["low"]


def test_files_of_every_kind_give_the_numbers_of_memory(tmp_path, client):
    pairs = drawn(203)
    # One shard has a single pair.
    save(tmp_path, pairs.subset(slice(0, 100)), [40, 41])
    write(tmp_path / "a.npz", pairs.subset(slice(100, 130)))
    (tmp_path / "b").mkdir()
    write(tmp_path / "b" / "c.safetensors", pairs.subset(slice(130, 160)))
    write(tmp_path / "d.parquet", pairs.subset(slice(160, 180)))
    fixed = parquet_table(pairs.subset(slice(180, 203)), fixed=True)
    pyarrow.parquet.write_table(fixed, tmp_path / "e.parquet", row_group_size=5)
    (tmp_path / ".hidden.npy").write_bytes(b"no shard")
    found = measure_shards(tmp_path, client, replicates=200)
    assert_same(found.table, gap_report(pairs, replicates=200))
    assert found.shards == 7
    assert found.skipped == {}
    assert found.notes == ["203 pairs in 7 shards."]
    assert set(found.table["pairs"]) == {203}
    cosines = (pairs.x.astype(float) * pairs.y).sum(1)
    expected, _ = np.histogram(cosines, 100, (-1, 1))
    np.testing.assert_array_equal(found.partner_cosine_counts, expected)


def test_more_pairs_than_the_sample(tmp_path, client):
    pairs = drawn(4000)
    folder = save(tmp_path / "shards", pairs, [500, 1700, 1800, 3000])
    found = measure_shards(folder, client, sample=1000, replicates=300)
    whole = gap_report(pairs, replicates=300)
    exact = whole["metric"].isin(EXACT)
    assert_same(found.table[exact], whole[exact], columns=["value"])
    assert set(found.table.loc[exact, "pairs"]) == {4000}
    assert set(found.table.loc[~exact, "pairs"]) == {1000}
    of_sample = gap_report(found.pairs, replicates=300, sample=1000)
    assert_same(found.table[~exact], of_sample[~exact], atol=1e-12)
    rows = {row.tobytes() for row in pairs.x}
    assert len(found.pairs) == 1000
    assert {row.tobytes() for row in found.pairs.x} <= rows
    ratios = widths(found.table) / widths(whole)
    assert np.exp(np.log(ratios).mean()) == pytest.approx(1, abs=0.15)
    assert ratios.between(0.5, 2).all()


def test_the_table_says_what_it_rests_on(tmp_path, client):
    folder = save(tmp_path, drawn(400), [100, 250])
    found = measure_shards(folder, client, sample=100, replicates=50)
    table = shard_report(folder, client, sample=100, replicates=50)
    pd.testing.assert_frame_equal(found.table, table, check_exact=True)
    assert table.attrs["notes"] == found.notes
    assert found.notes[0] == "400 pairs in 3 shards."
    assert "sample of 100," in found.notes[1]
    assert "sqrt(100 / 400)" in found.notes[1]


def test_notes_on_the_sample_are_those_of_pairs(tmp_path, client):
    found = measure_shards(save(tmp_path, drawn(20), [10]), client, replicates=10)
    assert found.notes[1:] == ["With fewer than 30 pairs the intervals mean little."]


def test_order_and_grouping_change_nothing(tmp_path):
    folder = save(tmp_path, drawn(1000), [100, 350, 360, 700, 900])
    settings = ShardSettings(sample=200)
    parts = []
    for number, name in enumerate(shard_names(folder)):
        parts.append(measure_shard(folder, name, number, 8, settings))
    rng = np.random.default_rng(0)
    first = merge_results(parts, 200)
    for _ in range(5):
        mixed = [parts[i] for i in rng.permutation(len(parts))]
        some = merge_results(mixed[:2], 200)
        others = merge_results([merge_results(mixed[2:5], 200), mixed[5]], 200)
        merged = merge_results([some, others], 200)
        np.testing.assert_array_equal(merged.sample.rows, first.sample.rows)
        np.testing.assert_array_equal(merged.partner_cosine_counts, first.partner_cosine_counts)
        for name in ("x", "y", "xx", "yy", "xy"):
            expected = getattr(first.sums, name)
            torch.testing.assert_close(getattr(merged.sums, name), expected, rtol=0, atol=1e-10)


def test_the_number_of_workers_changes_nothing(tmp_path):
    folder = save(tmp_path, drawn(1000), [100, 350, 360, 700, 900])
    tables = []
    for workers in (1, 3):
        with Client(n_workers=workers, **IN_THIS_PROCESS) as client:
            tables.append(shard_report(folder, client, sample=200, replicates=50))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def splitmix64(state):
    """Yield the sequence of the reference implementation, in integers."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        yield z ^ (z >> 31)


def test_hashes_are_splitmix64_and_spread_evenly():
    start = int.from_bytes(blake2b(b"0/a", digest_size=8).digest(), "little")
    sequence = splitmix64(start)
    expected = [next(sequence) for _ in range(4)]
    assert row_hashes("a", 4).tolist() == expected
    assert row_hashes("a", 4, seed=1).tolist() != expected
    counts = np.bincount((row_hashes("b", 10_000) >> np.uint64(60)).astype(int), minlength=16)
    # Chi squared with 15 degrees of freedom, 0.1 %.
    assert ((counts - 625) ** 2 / 625).sum() < 37.7


DAMAGE = {
    "empty.npy": lambda path: path.write_bytes(b""),
    "pickled.npy": lambda path: np.save(path, np.array([{}, {}], object), allow_pickle=True),
    "shape.npy": lambda path: np.save(path, np.ones((3, 4, 8))),
    "wide.npy": lambda path: np.save(path, np.ones((2, 4, 9))),
    "nan.npy": lambda path: np.save(path, np.full((2, 4, 8), np.nan)),
    "caf\udce9.npy": lambda path: path.write_bytes(b"a name that is not UTF-8"),
    "\x1b[31m.npy": lambda path: path.write_bytes(b"a name that a terminal would obey"),
    "cut.npz": cut_off,
    "names.npz": lambda path: np.savez(path, a=np.ones((4, 8)), b=np.ones((4, 8))),
    "cut.safetensors": cut_off,
    "cut.parquet": cut_off,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_shard_is_named(tmp_path, client, name):
    save(tmp_path, drawn(60), [30])
    DAMAGE[name](tmp_path / name)
    advice = "--skip-bad"
    if name == "names.npz":
        # It is sound, under other names.
        advice = r"name two of them \(.*--columns\)$"
    shown = re.escape(name if name.isprintable() else repr(name))
    with pytest.raises(PairsError, match=rf"^shard {shown}: .*{advice}") as error:
        measure_shards(tmp_path, client, replicates=10)
    assert str(error.value).isprintable()


def test_damaged_shards_are_left_out_and_counted(tmp_path, client):
    pairs = drawn(60)
    save(tmp_path / "1", pairs, [30])
    for name, damage in DAMAGE.items():
        damage(tmp_path / name)
    (tmp_path / "0.npy").write_bytes(b"the first is damaged too")
    found = measure_shards(tmp_path, client, replicates=50, skip_bad=True)
    assert_same(found.table, gap_report(pairs, replicates=50))
    assert set(found.skipped) == {*DAMAGE, "0.npy"}
    assert found.shards == 2
    bad = len(found.skipped)
    assert found.notes[-1].startswith(f"Bad, and left out: {bad} ('\\x1b[31m.npy', 0.npy, 'caf")
    assert found.notes[-1].endswith(f") of {bad + 2} shards.")
    assert found.notes[-1].isprintable()
    assert "9" in found.skipped["wide.npy"]
    assert "non-finite" in found.skipped["nan.npy"]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_an_odd_first_shard_is_the_one_refused(tmp_path, client, suffix):
    pairs = drawn(60)
    odd = f"000{suffix}"
    write(tmp_path / odd, drawn(30, 9))
    write(tmp_path / f"1{suffix}", pairs.subset(slice(30)))
    write(tmp_path / "2.npy", pairs.subset(slice(30, 60)))
    expected = rf"^shard {odd}: Expected 8 dimensions, the most frequent .*; got 9\..*--skip-bad"
    with pytest.raises(PairsError, match=expected):
        measure_shards(tmp_path, client, replicates=10)
    found = measure_shards(tmp_path, client, replicates=50, skip_bad=True)
    assert_same(found.table, gap_report(pairs, replicates=50))
    assert found.shards == 2
    assert list(found.skipped) == [odd]
    assert found.notes[-1] == f"Bad, and left out: 1 ({odd}) of 3 shards."


def test_of_two_widths_as_frequent_the_first_counts(tmp_path, client):
    write(tmp_path / "a.npy", drawn(30, 9))
    write(tmp_path / "b.npy", drawn(30, 8))
    with pytest.raises(PairsError, match=r"^shard b.npy: Expected 9 dimensions"):
        measure_shards(tmp_path, client, replicates=10)
    (tmp_path / "0.npy").write_bytes(b"damaged, without a width")
    write(tmp_path / "c.npy", drawn(30, 8))
    found = measure_shards(tmp_path, client, replicates=10, skip_bad=True)
    assert found.skipped.keys() == {"0.npy", "a.npy"}


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
    with pytest.raises(PairsError, match="seed as an integer"):
        measure_shards(tmp_path, client, seed=2**32)


def test_shards_without_rows_add_nothing(tmp_path, client):
    pairs = drawn(60)
    save(tmp_path, pairs, [30])
    np.save(tmp_path / "000a.npy", np.ones((2, 0, 8)))
    np.savez(tmp_path / "0.npz", x=np.ones((0, 8)), y=np.ones((0, 8)))
    found = measure_shards(tmp_path, client, replicates=50)
    assert_same(found.table, gap_report(pairs, replicates=50))
    assert found.notes[0] == "60 pairs in 4 shards."


def test_a_folder_of_shards_without_rows_is_named(tmp_path, client):
    np.save(tmp_path / "a.npy", np.ones((2, 0, 8)))
    np.save(tmp_path / "b.npy", np.ones((2, 0, 8)))
    with pytest.raises(PairsError, match=r"^Expected pairs in .*; its 2 shards have no rows$"):
        measure_shards(tmp_path, client)


def test_rows_of_very_many_dimensions_are_measured(tmp_path, client):
    """Ranks, IsoScores and CKA rest on the sample, which is all pairs or a part of them."""
    pairs = drawn(60, d=5000)
    save(tmp_path, pairs, [25])
    table = shard_report(tmp_path, client, replicates=50)
    assert_same(table, gap_report(pairs, replicates=50))
    assert set(table["pairs"]) == {60}
    part = shard_report(tmp_path, client, replicates=50, sample=40).set_index("metric")
    of_sample = {"effective_rank_x", "effective_rank_y", "isoscore_x", "isoscore_y"}
    of_sample |= {"cka", "cka_debiased"}
    assert set(part.index[part["pairs"] == 60]) == EXACT - of_sample
    expected = gap_report(pairs, replicates=2).set_index("metric")["value"]
    for name in EXACT - of_sample:
        assert part["value"][name] == pytest.approx(expected[name], abs=1e-9), name
    assert "Measures of sums are exact over all pairs; the others" in part.attrs["notes"][1]


def test_a_sample_that_would_fill_workers_is_refused_before_it_is_taken():
    require_room_for_sample(5000, 10**9, 4096)
    require_room_for_sample(5000, 100, 20_000)
    require_room_for_sample(5000, 0, None)
    with pytest.raises(PairsError) as error:
        require_room_for_sample(5000, 10**9, 20_000)
    assert str(error.value) == (
        "a sample of 5,000 pairs in 20,000 dimensions takes 800.0 MB, and each worker holds "
        "several; the limit is 268.4 MB: ask for a smaller one (sample=, in the shell --sample), "
        "such as 1677"
    )


def test_what_is_left_out_for_its_name_is_named(tmp_path, client):
    save(tmp_path, drawn(60), [30])
    (tmp_path / "_unfinished.npy").touch()
    found = measure_shards(tmp_path, client, replicates=10)
    assert found.left_out == ["_unfinished.npy"]
    assert found.notes[-1] == "Left out for their names: 1 (_unfinished.npy)."


def test_without_dask_the_message_says_what_to_install(tmp_path, monkeypatch):
    save(tmp_path, drawn(10), [5])
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        MissingPackageError,
        match=r"a folder of shards needs distributed, .*pip install .*distributed",
    ):
        measure_shards(tmp_path)


class Killer(WorkerPlugin):
    """End the first worker that has measured its third shard, once: what it held is lost."""

    def __init__(self, marker):
        self.marker = str(marker)
        self.done = 0

    def transition(self, key, start, finish, **_):
        self.done += str(key).startswith("shard-") and finish == "memory"
        if self.done == 3:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os._exit(1)


class Deadly(WorkerPlugin):
    """End each worker that measures one of the shards of these names."""

    def __init__(self, *names):
        self.names = names

    def setup(self, worker):
        # The workers are processes of their own.
        measure = partial.unit_shard

        def unit_shard(path, columns):
            if path.name in self.names:
                # Memory takes some time to fill, in which the worker tells what it began.
                time.sleep(0.2)
                os._exit(1)
            return measure(path, columns)

        partial.unit_shard = unit_shard


@pytest.fixture(scope="module")
def start_processes():
    """Start workers in processes of their own, with a plugin."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])

    @contextmanager
    def start(plugin, workers=2):
        with connect(workers=workers) as client:
            client.register_plugin(plugin)
            yield client

    return start


@pytest.mark.slow
def test_a_shard_that_ends_every_worker_is_named(tmp_path, start_processes):
    folder = save(tmp_path, drawn(60), [30])
    drawn(30).save(folder / "00deadly.npy")
    expected = r"^shard 00deadly.npy: workers died again and again"
    with (
        start_processes(Deadly("00deadly.npy")) as client,
        pytest.raises(PairsError, match=expected),
    ):
        measure_shards(folder, client, replicates=10)


@pytest.mark.slow
def test_a_shard_that_ends_every_worker_is_left_out_and_no_other(tmp_path, start_processes):
    """With one worker the scheduler blames others as well, which wait while it dies."""
    pairs = drawn(150)
    folder = save(tmp_path, pairs, [30, 60, 90, 120])
    drawn(30).save(folder / "00deadly.npy")
    with start_processes(Deadly("00deadly.npy"), workers=1) as client:
        found = measure_shards(folder, client, replicates=50, skip_bad=True)
    assert list(found.skipped) == ["00deadly.npy"]
    assert found.shards == 5
    assert_same(found.table, gap_report(pairs, replicates=50))


@pytest.mark.slow
def test_a_shard_larger_than_the_memory_of_a_worker_is_left_out(tmp_path):
    pairs = drawn(60)
    folder = save(tmp_path, pairs, [30])
    large = np.ones((2_000_000, 8), np.float32)
    np.savez(folder / "large.npz", x=large, y=large)
    settings = IN_THIS_PROCESS | {"n_workers": 1, "memory_limit": "300MB"}
    with Client(**settings) as client:
        found = measure_shards(folder, client, replicates=50, skip_bad=True)
    assert "not enough memory: it needs about 256.0 MB" in found.skipped["large.npz"]
    assert_same(found.table, gap_report(pairs, replicates=50))


@pytest.mark.slow
def test_a_worker_that_dies_changes_nothing(tmp_path, client, start_processes):
    folder = save(tmp_path / "shards", drawn(600), range(30, 600, 30))
    expected = shard_report(folder, client, sample=100, replicates=50)
    with start_processes(Killer(tmp_path / "killed")) as processes:
        found = shard_report(folder, processes, sample=100, replicates=50)
        assert (tmp_path / "killed").exists()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert json.dumps(found.attrs["notes"]) == json.dumps(expected.attrs["notes"])

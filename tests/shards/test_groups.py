"""Pairs in groups that lie in shards: whole groups in the sample, and what sums still give."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from helpers import parquet_table
from safetensors.numpy import save_file

from gapbook import cli
from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report
from gapbook.pairs import PairedEmbeddings
from gapbook.shards import measure_shards
from gapbook.shards.measure import OF_DIFFERENT_GROUPS
from gapbook.shards.partial import (
    ShardSettings,
    group_hashes,
    measure_shard,
    merge_results,
)

G = 60
RNG = np.random.default_rng(0)
# One to five captions of an image.
IDS = np.repeat(np.arange(G) * 7, RNG.integers(1, 6, G))
IMAGES = RNG.standard_normal((G, 8)).astype(np.float32)
X = IMAGES[IDS // 7]
Y = (X + RNG.standard_normal(X.shape) + 0.5).astype(np.float32)
# Shards cut groups apart where these lie in any order.
ORDER = RNG.permutation(len(X))
CUTS = np.array_split(ORDER, 6)
PAIRS = PairedEmbeddings.from_groups(X[ORDER], Y[ORDER], [IDS[ORDER]])


def save(folder):
    """Save shards of three kinds with ids of two types, and a folder with the ids of each."""
    folder.mkdir()
    (folder.parent / "ids" / "more").mkdir(parents=True)
    (folder / "more").mkdir()
    for number, rows in enumerate(CUTS):
        arrays = {"x": X[rows], "y": Y[rows], "id": IDS[rows]}
        name = f"more/{number}" if number == 5 else f"{number}"
        np.save(folder.parent / "ids" / f"{name}.npy", IDS[rows])
        if number == 0:
            save_file(arrays, folder / f"{name}.safetensors")
        elif number == 1:
            table = parquet_table(PairedEmbeddings(arrays["x"], arrays["y"]))
            table = table.append_column("id", pyarrow.array(IDS[rows].astype(str)))
            pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
        else:
            np.savez(folder / f"{name}.npz", **arrays)
    return folder


def test_groups_over_shards_have_the_numbers_of_memory(tmp_path, client) -> None:
    measured = measure_shards(save(tmp_path / "in"), client, groups="id", replicates=50)
    expected = gap_report(PAIRS, replicates=50).set_index("metric")
    table = measured.table.set_index("metric")
    assert list(table.index) == list(expected.index)
    # Groups come in another order, and so do draws of them.
    np.testing.assert_allclose(table["value"], expected["value"], atol=2e-2)
    names = [name for name in table.index if name not in ("separability", "cca_first")]
    steady = [name for name in names if name.startswith(("r1_", "r5_", "r10_", "cosine", "modal"))]
    np.testing.assert_allclose(table.loc[steady, "value"], expected.loc[steady, "value"], atol=1e-6)
    assert measured.n_groups == G
    assert len(measured.grouped) == len(X)
    assert len(measured.pairs) == table.loc["n_sampled", "value"] == G
    assert table.attrs["n_effective"] == pytest.approx(expected.attrs["n_effective"])
    assert f"{len(X)} pairs in {G} groups: 1 to 5 rows of text" in " ".join(measured.notes)


def test_ids_in_files_are_those_in_shards(tmp_path, client) -> None:
    folder = save(tmp_path / "in")
    measured = measure_shards(folder, client, groups=tmp_path / "ids", replicates=10)
    expected = measure_shards(folder, client, groups="id", replicates=10)
    np.testing.assert_array_equal(measured.table["value"], expected.table["value"])


def test_the_sample_has_whole_groups_and_plain_averages_stay_exact(tmp_path, client) -> None:
    folder = save(tmp_path / "in")
    measured = measure_shards(folder, client, groups="id", sample=90, replicates=50)
    drawn = measured.grouped
    assert 80 < len(drawn) <= 90
    every = dict(zip(*np.unique(IDS, return_counts=True), strict=True))
    rows = np.array([np.abs(PAIRS.y - row).max(axis=1).argmin() for row in drawn.y])
    there = dict(zip(*np.unique(IDS[ORDER][rows], return_counts=True), strict=True))
    assert there == {key: every[key] for key in there}
    expected = gap_report(PAIRS, replicates=50).set_index("metric")["value"]
    table = measured.table.set_index("metric")
    exact = table.index[(table["pairs"] == len(X)) & ~table.index.isin(["dimension"])]
    assert {"modality_gap", "cosine_paired", "cosine_across", "alignment", "cka"} <= set(exact)
    assert not set(exact) & set(OF_DIFFERENT_GROUPS)
    np.testing.assert_allclose(table.loc[exact, "value"], expected[exact], atol=1e-6)
    assert (table.loc[list(OF_DIFFERENT_GROUPS), "pairs"] == len(drawn)).all()
    assert measured.n_groups == round(len(there) * len(X) / len(drawn))
    notes = " ".join(measured.notes)
    assert f"sample of {len(drawn)}, all pairs of {len(there)} groups of about" in notes
    assert "Averages over pairs of different groups rest on the sample too" in notes


def test_order_and_grouping_of_partial_results_change_nothing(tmp_path) -> None:
    """Also where one group has more rows than the sample, and all others do not."""
    folder = save(tmp_path / "in")
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    for size in (3, 20, 90):
        settings = ShardSettings(sample=size, groups="id")
        parts = [
            measure_shard(folder, name, number, 8, settings) for number, name in enumerate(names)
        ]
        whole = merge_results(parts, size).sample
        for _ in range(5):
            order = RNG.permutation(len(parts))
            first = merge_results([parts[i] for i in order[:2]], size)
            second = merge_results([first, *(parts[i] for i in order[2:4])], size)
            other = merge_results([second, *(parts[i] for i in order[4:])], size).sample
            assert other.below == whole.below
            np.testing.assert_array_equal(other.places, whole.places)
        hashes = np.sort(group_hashes(IDS))
        kept = hashes[hashes < np.uint64(whole.below)]
        assert len(whole.hashes) == len(kept) <= size
        assert (hashes == np.uint64(whole.below)).sum() + len(kept) > size


# What the shell says after --groups, and the one line.
BAD = {
    "a column that no shard has": (
        ["none"],
        "0.npz; got id, x, y: name one of them (groups=, in the shell --groups)",
    ),
    "twice": (["id", "id"], "Expected --groups once for a folder of shards, whose pairs are row"),
    "one file": (["ids.npy"], "or a folder with a .npy file of ids for each shard, under its name"),
    "a folder without them": (["full"], "shard 0.npz: Expected a file; "),
    "other length": (["short"], "shard 0.npz: Expected groups for 30 rows, of shape (30,); got"),
    "missing values": (["nan"], "shard 0.npz: Expected groups as integers or strings; got dtype"),
    "missing text": (["gaps"], "shard 0.npz: Expected groups for each row; row 3 has none"),
    "other rows of x": (
        ["other"],
        "shard 0.npz: Expected one row of x in each group; row 3 is another than row 0 of gr",
    ),
    "one group": (["same"], "shard 0.npz: Expected one row of x in each group"),
    "no room": (["id", "--sample", "2"], "2 pairs have room for 0: ask for a larger one"),
    "a long table": (["id", "--long-table", "a", "b", "c"], "--long-table is for a file; "),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    """A folder with one shard, and folders of ids that are bad."""
    folder = tmp_path_factory.mktemp("bad")
    x = np.repeat(IMAGES[:10], 3, axis=0)
    (folder / "in").mkdir()
    np.savez(folder / "in" / "0.npz", x=x, y=Y[:30], id=np.repeat(np.arange(10), 3))
    ids = {
        "short": np.arange(29),
        "nan": np.where(np.arange(30) == 3, np.nan, np.arange(30)),
        "gaps": np.where(np.arange(30) == 3, "", np.arange(30).astype(str)),
        "other": np.arange(30) // 2 + 1,
        "same": np.zeros(30, int),
    }
    ids["other"][:4] = 0
    for name, array in ids.items():
        (folder / name).mkdir()
        np.save(folder / name / "0.npy", array)
    (folder / "full").mkdir()
    np.save(folder / "ids.npy", np.arange(30))
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_groups_of_shards_are_one_line(bad, monkeypatch, capsys, client, case: str) -> None:
    first, *rest = BAD[case][0]
    monkeypatch.chdir(bad)
    options = ["--groups", first]
    while rest and not rest[0].startswith("--"):
        options += ["--groups", rest.pop(0)]
    # Workers in this process are there at once.
    monkeypatch.setattr("gapbook.shards.measure.connect", lambda *_: _Open(client))
    assert cli.main(["report", "in", *options, *rest, "--out", "r.json", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert BAD[case][1] in error
    assert error.count("\n") == 1
    assert not (bad / "r.json").exists()


class _Open:
    """A client that stays open after a block."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        return self.client

    def __exit__(self, *_):
        pass


def test_a_npy_shard_has_no_names(tmp_path, client) -> None:
    np.save(tmp_path / "a.npy", np.stack([X, Y]))
    with pytest.raises(PairsError, match=r"^shard a\.npy: a \.npy file has no array 'id': give a"):
        measure_shards(tmp_path, client, groups="id")


def test_the_command_reports_groups_of_shards(tmp_path, monkeypatch) -> None:
    save(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    outputs = ["--out", "r.json", "--out", "r.html"]
    options = ["--groups", "id", "--scheduler"]
    from distributed import LocalCluster

    settings = {"processes": False, "n_workers": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(protocol="tcp://", host="127.0.0.1", **settings) as cluster:
        address = cluster.scheduler_address
        assert cli.main(["report", "in", *options, address, *outputs, "--quiet"]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["groups"] == G
    assert report["first_lines"][0].startswith(f"Recall at 1 among {G}: ")
    assert "Any text of its group is right" in (tmp_path / "r.html").read_text()

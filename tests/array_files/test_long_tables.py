"""Long tables: a vector in each row, with its modality and its id."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from helpers import sample

from gapbook import cli
from gapbook.exceptions import ColumnsError, PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(12, 4)
PAIRS = PairedEmbeddings(X, Y)
COLUMNS = ("vector", "kind", "key")


def long_table(seed=0):
    """Return both sides of the pairs in any order."""
    ids = [100 + i for i in range(12)]
    rows = pd.DataFrame(
        {
            "vector": [*X.tolist(), *Y.tolist()],
            "kind": ["image"] * 12 + ["text"] * 12,
            "key": ids + ids,
        }
    )
    shuffled = rows.iloc[12:].sample(frac=1, random_state=seed)
    return pd.concat([shuffled, rows.iloc[:12]], ignore_index=True)


def write(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), path)
    else:
        pyarrow.feather.write_feather(pyarrow.Table.from_pandas(frame), str(path))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".jsonl", ".csv"])
def test_rows_are_paired_by_their_ids(tmp_path, suffix):
    path = write(long_table(), tmp_path / f"a{suffix}")
    loaded = PairedEmbeddings.load(path, long_table=COLUMNS)
    np.testing.assert_allclose(loaded.x, PAIRS.x, atol=1e-6)
    np.testing.assert_allclose(loaded.y, PAIRS.y, atol=1e-6)
    assert loaded.modalities == ("image", "text")
    assert loaded.source == f"a{suffix}"


def test_modalities_name_the_sides(tmp_path):
    frame = long_table()
    extra = frame.iloc[:1].assign(kind="audio")
    path = write(pd.concat([frame, extra]), tmp_path / "a.parquet")
    loaded = PairedEmbeddings.load(path, long_table=COLUMNS, modalities=("text", "image"))
    np.testing.assert_allclose(np.sort(loaded.x, axis=0), np.sort(PAIRS.y, axis=0), atol=1e-6)
    with pytest.raises(PairsError, match=r"two modalities in column kind .*got text, image, audio"):
        PairedEmbeddings.load(path, long_table=COLUMNS)
    with pytest.raises(PairsError, match=r"rows of modality video in .*got text, image, audio"):
        PairedEmbeddings.load(path, long_table=COLUMNS, modalities=("video", "text"))


def changed(row, **values):
    frame = long_table().astype({"key": object})
    for column, value in values.items():
        frame.loc[row, column] = value
    return frame


# The last rows are images, in the order of their ids.
WRONG = {
    "1 of 12 ids of modality image in column key of .* \\(first: '7'\\)": changed(12, key=7),
    "The id '101' comes more than once among the rows of modality image": changed(12, key=101),
    "Expected an id in each row of column key .*; row 12 has none": changed(12, key=None),
    "Expected two modalities in column kind .*; got text, sound, image": changed(12, kind="sound"),
    r"1 of 12 ids of modality text .* \(first: '100'\)": long_table().drop(index=12),
}


@pytest.mark.parametrize("message", WRONG)
def test_rows_that_do_not_pair_are_named(tmp_path, message):
    path = write(WRONG[message], tmp_path / "a.parquet")
    with pytest.raises(PairsError, match=message):
        PairedEmbeddings.load(path, long_table=COLUMNS)


def test_what_is_no_long_table_is_refused(tmp_path):
    path = write(long_table(), tmp_path / "a.parquet")
    with pytest.raises(ColumnsError, match=r"Expected the key id in .* got key, kind, vector"):
        PairedEmbeddings.load(path, long_table=("vector", "kind", "id"))
    with pytest.raises(PairsError, match="names of three columns"):
        PairedEmbeddings.load(path, long_table=("vector", "kind"))
    with pytest.raises(PairsError, match="A long table is one file; got two"):
        PairedEmbeddings.load(path, path, long_table=COLUMNS)
    np.savez(tmp_path / "a.npz", vector=X, kind=Y, key=Y)
    with pytest.raises(PairsError, match=r"Expected a long table in a \.parquet"):
        PairedEmbeddings.load(tmp_path / "a.npz", long_table=COLUMNS)


def test_the_command_takes_a_long_table(tmp_path, capsys):
    path = write(long_table(), tmp_path / "a.csv")
    options = ["--long-table", *COLUMNS, "--quiet", "--out", str(tmp_path / "r.json")]
    assert cli.main(["report", str(path), *options]) == 0
    assert '"12 pairs.' in (tmp_path / "r.json").read_text()
    assert cli.main(["report", str(path), *options, "--modalities", "image", "sound"]) == 2
    assert "Expected rows of modality sound in column kind" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path), *options]) == 2
    assert "--long-table is for a file; " in capsys.readouterr().err


# ---- several rows of one id


def grouped_table():
    """Return six images with two captions each, and in any order."""
    ids = [str(i) for i in range(6)]
    rows = pd.DataFrame(
        {
            "vector": [*X[:6].tolist(), *Y.tolist()],
            "kind": ["image"] * 6 + ["text"] * 12,
            "key": ids + ids + ids,
            "row": [f"r{i}" for i in range(18)],
        }
    )
    return rows.sample(frac=1, random_state=0).reset_index(drop=True)


def expected_groups():
    """Return the pairs of ``grouped_table`` in its order of texts."""
    table = grouped_table()
    texts = table[table["kind"] == "text"]
    ids = texts["key"].astype(int).to_numpy()
    return PairedEmbeddings.from_groups(X[:6], texts["vector"].tolist(), (np.arange(6), ids))


@pytest.mark.parametrize("suffix", [".parquet", ".feather", ".jsonl", ".csv"])
def test_the_column_of_ids_names_groups(tmp_path, suffix):
    path = write(grouped_table(), tmp_path / f"a{suffix}")
    loaded = PairedEmbeddings.load(path, long_table=COLUMNS, groups="key")
    expected = expected_groups()
    np.testing.assert_array_equal(loaded.groups, expected.groups)
    np.testing.assert_allclose(loaded.x, expected.x, atol=1e-6)
    np.testing.assert_allclose(loaded.y, expected.y, atol=1e-6)


def test_another_column_or_a_file_names_groups(tmp_path):
    table = grouped_table()
    path = write(table, tmp_path / "a.parquet")
    np.save(tmp_path / "groups.npy", table["key"].astype(int).to_numpy())
    expected = expected_groups()
    for groups in ("key", tmp_path / "groups.npy", [str(tmp_path / "groups.npy")]):
        loaded = PairedEmbeddings.load(path, long_table=("vector", "kind", "row"), groups=groups)
        np.testing.assert_array_equal(loaded.groups, expected.groups)
        np.testing.assert_allclose(loaded.x, expected.x, atol=1e-6)


def test_the_command_measures_a_long_table_in_groups(tmp_path):
    path = write(grouped_table(), tmp_path / "a.csv")
    options = ["--long-table", *COLUMNS, "--groups", "key", "--only", "measures", "--quiet"]
    out = tmp_path / "r.json"
    assert cli.main(["report", str(path), *options, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["groups"] == 6
    assert report["notes"][0].startswith("12 pairs in 6 groups: 2 rows of text for each row of im")


# Arguments, changes of the table, and what the one line says.
BAD_GROUPS = {
    "of other length": (["short.npy"], {}, "of each of the 18 rows of a.csv in short.npy; got 17"),
    "unknown column": (
        ["none"],
        {},
        "Expected the key none in a.csv; got key, kind, row, vector: name one of them (groups=",
    ),
    "missing in a column": (["key"], {"key": None}, "column key of a.csv; row 3 has none"),
    "missing in a file": (["missing.npy"], {}, "in missing.npy; row 4 has none: fill it in"),
    "of another type": (["floats.npy"], {}, "as integers or strings; got dtype float64"),
    "twice": (
        ["key", "key"],
        {},
        "once, as the name of a column such as key or a .npy file; got 2",
    ),
    "not there": (["gone.npy"], {}, "gone.npy does not exist"),
    "without partner": (["key"], {"key": "x"}, "have an id without partner (first: "),
    "all in one": (["one.npy"], {}, "The id '0' comes more than once in x"),
    "the other way round": (
        ["key", "--modalities", "text", "image"],
        {},
        "Expected one row of modality text for each value of column key of a.csv",
    ),
    "not said": ([], {}, "that rows of one id are a group (groups=, in the shell --groups key)"),
}


@pytest.mark.parametrize("case", BAD_GROUPS)
def test_bad_groups_of_a_long_table_are_one_line(tmp_path, monkeypatch, capsys, case):
    groups, values, message = BAD_GROUPS[case]
    monkeypatch.chdir(tmp_path)
    table = grouped_table()
    for column, value in values.items():
        table.loc[3, column] = value
    write(table, Path("a.csv"))
    np.save("short.npy", np.arange(17))
    np.save("missing.npy", np.where(np.arange(18) == 4, np.nan, np.arange(18)))
    np.save("floats.npy", np.arange(18) / 2)
    np.save("one.npy", np.zeros(18, int))
    names = [name for name in groups if name.endswith(".npy") or name in ("key", "none")]
    rest = groups[len(names) :]
    options = [part for name in names for part in ("--groups", name)]
    arguments = ["a.csv", "--long-table", *COLUMNS, *options, *rest, "--out", "r.json", "--quiet"]
    assert cli.main(["report", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "r.json").exists()

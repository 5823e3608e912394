"""The command ``judge``: a search before and after, by queries of one's own."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gapbook.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """20 queries whose answers are texts for the even ones and images for the odd ones.

    Before, images score 9 higher; after, an offset in one more dimension takes that away.
    """
    monkeypatch.chdir(tmp_path)
    n = 20
    documents = np.column_stack([np.eye(n), np.where(np.arange(n) % 2, 9.0, 0.0)])
    queries = np.column_stack([np.eye(n), np.ones(n)])
    np.save("before.npy", documents)
    np.savez("after.npz", vectors=np.column_stack([documents, -documents[:, -1]]))
    np.save("q.npy", queries)
    np.save("q_after.npy", np.column_stack([queries, np.ones(n)]))
    answers = "".join(f"{i},{i}\n" for i in range(n))
    (tmp_path / "answers.csv").write_text("query,document\n" + answers)
    names = "".join(f"{i},{['text', 'image'][i % 2]}\n" for i in range(n))
    (tmp_path / "documents.csv").write_text("document,modality\n" + names)
    return tmp_path


BOTH = ["judge", "before.npy", "after.npz", "--queries", "q.npy", "--queries-after", "q_after.npy"]
WHOLE = [*BOTH, "--relevant", "answers.csv", "--modalities", "documents.csv", "--k", "5"]


def test_changes_are_told_by_the_modality_of_the_answer(folder):
    assert main([*WHOLE, "--out", "judged.json", "--out", "judged.md"]) == 0
    document = json.loads((folder / "judged.json").read_text())
    rows = {(row["measure"], row["modality"]): row for row in document["changes"]}
    assert rows["recall", "text"]["before"] == 0
    assert rows["recall", "text"]["after"] == rows["recall", "image"]["after"] == 1
    assert rows["recall", "text"]["queries"] == 10
    assert rows["recall", "all"]["change"] == pytest.approx(0.5)
    assert 0 < rows["recall", "all"]["low"] < 0.5 < rows["recall", "all"]["high"] < 1
    assert rows["share", "image"]["before"] == 1
    assert rows["share", "image"]["corpus"] == 0.5
    assert rows["recall", "all"]["corpus"] is None
    lines = (folder / "judged.md").read_text().splitlines()
    assert "| recall@5 | all | 20 | 0.500 | 1.000 | +0.500 |" in " ".join(lines)
    assert "not all have unit length" in lines[0]


def test_without_modalities_one_line_a_measure_is_printed(folder, capsys):
    assert main([*BOTH, "--relevant", "answers.csv"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "@10" in line]
    assert [line.split(" | ")[:2] for line in lines] == [
        ["| recall@10", "all"],
        ["| nDCG@10", "all"],
    ]


def test_cosines_bring_rows_to_unit_length(folder, capsys):
    rows = np.random.default_rng(0).standard_normal((20, 4))
    np.save("long.npy", rows * np.arange(1, 21)[:, None])
    np.save("unit.npy", rows)
    arguments = ["judge", "long.npy", "unit.npy", "--queries", "unit.npy", "--k", "1"]
    arguments += ["--relevant", "answers.csv"]
    assert main([*arguments, "--cosine"]) == 0
    assert "| 1.000 | 1.000 | +0.000 |" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "| 1.000 | 1.000 | +0.000 |" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q_after.npy": None}, "--queries-after names the queries"),
        ({"answers.csv": "query,document\n0,99\n"}, "document from 0 to 19; got 99"),
        ({"answers.csv": "query,document\n0,b\n"}, "in line 2 of"),
        ({"answers.csv": "query,document\n"}, "a query and a document a line"),
        ({"answers.csv": "query,text\n0,1\n"}, "document"),
        ({"documents.csv": "document,modality\n0,text\n"}, "has none for document 1"),
        ({"documents.csv": "document,modality\n0,text\n0,text\n"}, "line 3 of"),
        ({"exclude.csv": "query,document\n1,1\n"}, "document 1 answers query 1 and is left out"),
        ({"exclude.csv": "query,document\n1,20\n"}, "document from 0 to 19; got 20"),
        ({"exclude.csv": "query,document\n1,-2\n"}, "in line 2 of"),
        ({"exclude.csv": "query\n1\n"}, "document"),
        ({"exclude.csv": None}, "exclude.csv does not exist"),
        ({"before.npy": np.eye(3)}, "the same documents before and after"),
        ({"before.npy": np.array([{}])}, "before.npy"),
        ({"before.npy": b"no array"}, "before.npy"),
        ({"before.npy": b""}, "before.npy"),
        ({"before.npy": np.full((20, 21), np.nan)}, "row 0 of documents"),
        ({"before.npy": np.zeros((20, 21), np.uint8)}, "dtype uint8"),
        (
            {"after.npz": {"a": np.eye(20), "b": np.eye(20)}},
            "write the vectors alone",
        ),
        ({"after.npz": b"PK\x03\x04 cut off"}, "after.npz"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(folder, capsys, change, message):
    arguments = list(WHOLE)
    for name, content in change.items():
        if name == "exclude.csv":
            arguments += ["--exclude", name]
        if name == "q_after.npy":
            place = arguments.index("--queries-after")
            del arguments[place : place + 2]
        elif content is None:
            assert not (folder / name).exists()
        elif isinstance(content, np.ndarray):
            np.save(name, content)
        elif isinstance(content, dict):
            np.savez(name, **content)
        else:
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
    assert main([*arguments, "--out", "judged.md"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "judged.md").exists()


def test_vectors_may_be_in_any_file_of_arrays(folder, capsys):
    arguments = ["--queries", "q.npy", "--relevant", "answers.csv"]
    assert main(["judge", "before.npy", "before.npy", *arguments]) == 0
    expected = capsys.readouterr().out
    documents = np.load("before.npy")
    save_file({"vectors": documents}, "before.safetensors")
    torch.save(torch.from_numpy(documents), "before.pt")
    assert main(["judge", "before.safetensors", "before.pt", *arguments]) == 0
    assert capsys.readouterr().out == expected


def test_a_modality_that_answers_no_query_is_said_in_words(folder, capsys):
    (folder / "answers.csv").write_text("query,document\n0,0\n2,2\n")
    assert main([*WHOLE, "--out", "judged.json"]) == 0
    assert "NaN" not in (folder / "judged.json").read_text()
    assert main(WHOLE) == 0
    printed = capsys.readouterr().out
    assert "| recall@5 | image | 0 | – | – | – | no such queries |" in printed
    assert "| nDCG@5 | image | 0 | – | – | – | no such queries |" in printed
    assert "| recall@5 | text | 2 | 0.000 | 1.000 | +1.000 |" in printed
    assert "nan" not in printed


def test_a_query_that_is_a_document_can_be_left_out_for_itself(folder, capsys):
    rows = np.eye(20) + 0.5 * np.eye(20)[::-1]
    np.save("rows.npy", rows)
    answers = "".join(f"{i},{19 - i}\n" for i in range(20))
    itself = "".join(f"{i},{i}\n" for i in range(20))
    (folder / "answers.csv").write_text("query,document\n" + answers)
    (folder / "itself.csv").write_text("query,document\n" + itself)
    arguments = ["judge", "rows.npy", "rows.npy", "--queries", "rows.npy", "--k", "1"]
    arguments += ["--relevant", "answers.csv"]
    assert main(arguments) == 0
    assert "| recall@1 | all | 20 | 0.000 | 0.000 |" in capsys.readouterr().out
    assert main([*arguments, "--exclude", "itself.csv"]) == 0
    assert "| recall@1 | all | 20 | 1.000 | 1.000 |" in capsys.readouterr().out

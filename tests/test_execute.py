import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gapbook.press import PressError, execute, read_records
from gapbook.press.execute import execute_book
from gapbook.press.site import build_site

KERNEL = {"kernelspec": {"name": "of-another-machine", "display_name": "x", "language": "python"}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def save(path, *sources, parameters="n_seeds = 2"):
    """Write a notebook: a title, a parameters cell, and a cell for each source (prose where it starts with #)."""
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
    ]
    cells += [new_markdown_cell(s) if s.startswith("# ") else new_code_cell(s) for s in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Folder ``book`` below the working directory; ``_build`` is to come beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book").mkdir()
    return tmp_path / "book"


@pytest.fixture
def counter(tmp_path):
    """Code that leaves a mark outside whenever it runs, and a function that counts the marks."""
    file = tmp_path / "runs"
    return (
        f"open({str(file)!r}, 'a').write('x')",
        lambda: len(file.read_text()) if file.exists() else 0,
    )


def executed(book, name="01_a"):
    return nbformat.read(book.parent / "_build" / "executed" / f"{name}.ipynb", as_version=4)


def left_behind(book):
    return [
        str(p.relative_to(book.parent)) for p in (book.parent / "_build").rglob("*") if p.is_file()
    ]


def test_an_error_names_chapter_cell_and_error(book):
    save(book / "01_a.ipynb", "# prose", "x = 1\nx / 0")
    save(book / "02_b.ipynb", "1 + 1")
    with pytest.raises(PressError) as caught:
        execute_book()
    assert str(caught.value) == "01_a, cell 4 (x = 1): ZeroDivisionError: division by zero"
    assert left_behind(book) == [
        "_build/executed/02_b.ipynb"
    ]  # the other chapter is kept, and nothing half-written


def test_a_kernel_that_dies_is_told(book):
    save(book / "01_a.ipynb", "import os\nos._exit(9)")
    with pytest.raises(PressError, match=r"01_a, cell 3 \(import os\): Kernel died"):
        execute_book()
    assert left_behind(book) == []


@pytest.mark.parametrize(
    ("profile", "text", "words"),
    [
        (
            "full",
            "01_a: {n_seedz: 5}",
            r"01_a has no parameter 'n_seedz'; did you mean 'n_seeds'\?",
        ),
        (
            "full",
            "01_b: {n_seeds: 5}",
            r"full.yml sets parameters of '01_b', not a chapter; did you mean '01_a'\?",
        ),
        ("ful", "", r"there is no profile 'ful'; did you mean 'full'\?"),
    ],
)
def test_a_typo_in_a_profile_suggests_the_nearest(book, profile, text, words):
    save(book / "01_a.ipynb")
    (book / "profiles").mkdir()
    (book / "profiles" / "full.yml").write_text(text)
    with pytest.raises(PressError, match=words):
        execute_book(profile=profile)


def test_what_is_not_there_is_told(book):
    save(book / "01_a.ipynb")
    (book / "01_a.ipynb").write_text("{")
    with pytest.raises(PressError, match=r"01_a.ipynb cannot be read as a notebook"):
        execute_book()
    book.rename("boook")
    with pytest.raises(PressError, match=r"there is no folder .*book with notebooks"):
        execute_book()


def test_a_profile_sets_parameters_and_shows_them(book):
    save(book / "01_a.ipynb", "n_seeds")
    (book / "profiles").mkdir()
    (book / "profiles" / "full.yml").write_text("01_a: {n_seeds: 5}")
    execute_book(profile="full")
    cells = executed(book).cells
    assert "n_seeds = 5" in cells[2].source and cells[2].metadata == {
        "tags": ["injected-parameters"]
    }
    assert cells[-1].outputs[0].data["text/plain"] == "5"


def test_a_chapter_that_hangs_runs_once_more_loudly(book, capfd):
    save(book / "01_a.ipynb", "import time\ntime.sleep(100)")
    with pytest.raises(
        PressError, match=r"01_a, cell 3 \(import time\): A cell timed out .* after 2 seconds"
    ):
        execute_book(timeout=2)
    assert capfd.readouterr().out.count("!!!! 01_a hangs, cell 3") == 1
    assert left_behind(book) == []


def test_the_second_attempt_counts(book, tmp_path, capfd):
    mark = tmp_path / "mark"
    hang = f"import pathlib, time\nmark = pathlib.Path({str(mark)!r})\nif not mark.exists():\n    mark.touch()\n"
    save(book / "01_a.ipynb", hang + "    time.sleep(100)\n'done'")
    execute_book(timeout=4)
    assert "Trying once more" in capfd.readouterr().out
    assert executed(book).cells[-1].outputs[0].data["text/plain"] == "'done'"


def test_only_what_changed_runs_again(book, counter):
    code, runs = counter
    save(book / "01_a.ipynb", code, "'result'")
    assert execute_book()["01_a"].startswith("executed in")
    assert execute_book() == {"01_a": "unchanged"} and runs() == 1
    save(book / "01_a.ipynb", code, "# New prose", "'result'")
    assert execute_book() == {"01_a": "prose changed"} and runs() == 1
    cells = executed(book).cells
    assert [cell.source for cell in cells[-2:]] == ["# New prose", "'result'"]
    assert cells[-1].outputs[0].data["text/plain"] == "'result'"
    save(book / "01_a.ipynb", code, "'other'")
    assert execute_book()["01_a"].startswith("executed in") and runs() == 2
    assert execute_book(force=True)["01_a"].startswith("executed in") and runs() == 3


@pytest.mark.parametrize("what", ["surroundings", "available_sources"])
def test_a_change_around_the_chapter_runs_it_again(book, counter, monkeypatch, what):
    code, runs = counter
    save(book / "01_a.ipynb", code)
    execute_book()
    monkeypatch.setattr(
        execute, what, lambda: {"other"} if what == "available_sources" else "other"
    )
    execute_book()
    assert runs() == 2


def test_the_digest_depends_on_files_versions_and_facts(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    before = execute.digest([tmp_path / "a.py"], "fact")
    assert (
        execute.digest([tmp_path / "a.py"], "fact")
        == before
        != execute.digest([tmp_path / "a.py"], "other")
    )
    monkeypatch.setattr(execute, "distributions", lambda: [])
    without = execute.digest([tmp_path / "a.py"], "fact")
    (tmp_path / "a.py").write_text("2")
    assert len({before, without, execute.digest([tmp_path / "a.py"], "fact")}) == 3


def test_a_tag_that_changes_what_a_cell_does_runs_it_again(book):
    save(book / "01_a.ipynb", "1 / 0")
    notebook = nbformat.read(book / "01_a.ipynb", as_version=4)
    notebook.cells[-1].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, book / "01_a.ipynb")
    assert execute_book()["01_a"].startswith("executed in")
    save(book / "01_a.ipynb", "1 / 0")
    with pytest.raises(PressError, match="ZeroDivisionError"):
        execute_book()


def test_the_rest_of_the_book_is_mirrored(book):
    save(book / "01_a.ipynb")
    (book / "intro.md").write_text("one")
    (book / "_static").mkdir()
    (book / "_static" / "a.css").write_text("css")
    execute_book()
    run = book.parent / "_build" / "executed"
    assert (run / "intro.md").read_text() == "one" and (run / "_static" / "a.css").exists()
    (book / "intro.md").write_text("two")
    (book / "_static" / "a.css").unlink()
    (run / "stale.ipynb").write_text("from a chapter that was renamed")
    execute_book()
    assert (run / "intro.md").read_text() == "two"
    assert not (run / "_static" / "a.css").exists() and not (run / "stale.ipynb").exists()


def test_kernels_run_in_a_fresh_folder_with_their_share_of_cores(book, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("GAPBOOK_DATA", "files")
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = "import os, sys\nenv = os.environ\n"
    code += "print(os.listdir(), env['OMP_NUM_THREADS'], env['GAPBOOK_DATA'], sys.executable)"
    save(book / "01_a.ipynb", code, "env.get('MPLBACKEND')")
    save(book / "02_b.ipynb", code)
    execute_book(jobs=2)
    threads = max(1, (os.cpu_count() or 1) // 2)
    told = f"[] {threads} {book.parent / 'files'} {sys.executable}\n"
    assert (
        executed(book).cells[2].outputs[0].text
        == told
        == executed(book, "02_b").cells[2].outputs[0].text
    )
    assert "inline" in executed(book).cells[3].outputs[0].data["text/plain"]


def test_the_scoreboard_runs_last_and_reads_the_others(book):
    note = "from gapbook.press import read_records, record\n"
    save(book / "02_b.ipynb", note + "record('b', 2)")
    save(
        book / "a" / "board.ipynb",
        note + "len(read_records(executed)) if executed else 'alone'",
        parameters="executed = ''",
    )
    assert list(execute_book()) == ["02_b", "a/board"]
    assert executed(book, "a/board").cells[-1].outputs[0].data["text/plain"] == "1"
    assert 'executed = "executed"' in executed(book, "a/board").cells[2].source
    assert execute_book() == {"02_b": "unchanged", "a/board": "unchanged"}
    save(book / "02_b.ipynb", note + "record('b', 3)")
    assert execute_book()["a/board"].startswith("executed in")  # what it shows changed
    assert read_records(book.parent / "_build" / "executed" / "02_b.ipynb")["b"].value == 3


def test_costs_are_kept_and_folders_are_not(book):
    save(book / "01_a.ipynb", "x = bytearray(300_000_000)\nx[::4096] = b'1' * len(x[::4096])")
    alone = "from gapbook.press.execute import execute_book as run; run()"  # Linux counts a parent's memory as a child's
    subprocess.run([sys.executable, "-c", alone], check=True)
    run = json.loads((book.parent / "_build" / "executed" / "run.json").read_text())
    assert 300 < run["chapters"]["01_a"]["memory_mb"] < 600
    assert (
        0 < run["chapters"]["01_a"]["seconds"] < 100
        and run["machine"]["processors"] == os.cpu_count()
    )
    assert str(book.parent) not in nbformat.writes(executed(book))


def test_alt_text_comes_to_where_the_page_looks_for_it(book):
    one = f"from IPython.display import display\npng = {{'image/png': '{PIXEL}'}}\n"
    one += "display(png, raw=True, metadata={'image/png': {'alt': 'a \"dot\"'}})"
    save(book / "01_a.ipynb", one, one + "\n" + one)
    execute_book()
    single, double = executed(book).cells[-2:]
    assert single.metadata["mystnb"] == {"image": {"alt": 'a "dot"'}} and list(
        single.outputs[0].data
    ) == ["image/png"]
    assert double.metadata["mystnb"] == {"image": {"alt": 'a "dot" a "dot"'}}


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_an_interrupted_run_leaves_nothing(book):
    save(
        book / "01_a.ipynb",
        "import os, pathlib, time\npathlib.Path(os.environ['MARK']).write_text(str(os.getpid()))",
        "time.sleep(99)",
    )
    mark = book.parent / "mark"
    command = [sys.executable, "-m", "gapbook.press", "execute"]
    run = subprocess.Popen(
        command, cwd=book.parent, env={**os.environ, "MARK": str(mark)}, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 90
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.2)
    kernel = int(mark.read_text())
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130 and b"interrupted" in told and b"Traceback" not in told
    assert left_behind(book) == ["_build/.lock"]
    deadline = (
        time.monotonic() + 30
    )  # the kernel is not our child: whoever inherits it takes a moment, or leaves a zombie
    while alive(kernel) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(kernel)


def test_the_command_ends_with_one_message(book):
    save(book / "01_a.ipynb", "int('x')")
    done = subprocess.run(
        [sys.executable, "-m", "gapbook.press", "book"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "01_a, cell 3 (int('x')): ValueError: invalid literal for int() with base 10: 'x'"
    )


@pytest.mark.slow
def test_the_site_is_built_once_and_survives_a_failure(book):
    record = "from gapbook.press import record\nrecord('a.gap', 0.5, 'distance')"
    save(book / "01_a.ipynb", record, "# Gap {glue:text}`a.gap:.3f`")
    (book / "_toc.yml").write_text("format: jb-book\nroot: 01_a\n")
    (book.parent / "_config.yml").write_text("title: Test\nexecute: {execute_notebooks: 'off'}\n")
    execute_book()
    assert build_site() == "built in _build/html"
    page = book.parent / "_build" / "html" / "01_a.html"
    assert "0.500" in page.read_text()
    stamp = page.stat().st_mtime_ns
    assert build_site() == "unchanged" and page.stat().st_mtime_ns == stamp
    save(book / "01_a.ipynb", record, "# Gap {glue:text}`a.gpa:.3f`")
    execute_book()
    with pytest.raises(PressError, match=r"the site was not built:\n(.|\n)*a\.gpa"):
        build_site()
    assert page.stat().st_mtime_ns == stamp
    assert not list((book.parent / "_build").glob(".site-*"))

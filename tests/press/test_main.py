"""The command: one message, exit status, and nothing left after an interruption."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.book

COMMAND = [sys.executable, "-m", "gapbook.press"]
# leaves the number of its process behind, then waits
WAITS = "import os, pathlib, time\npathlib.Path({!r}).write_text(str(os.getpid()))\ntime.sleep(100)"

# sends itself Ctrl-C as soon as what makes a book is imported
INTERRUPTS_ITSELF = """
import os, runpy, signal, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "gapbook.press.make":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder)
sys.argv = ["press", "execute"]
runpy.run_module("gapbook.press", run_name="__main__")
"""


def files(folder):
    """All files below a folder but those of the cache."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return [path.as_posix() for path in paths if "cache" not in path.parts]


def wait_for(condition):
    """Wait until a condition is true, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def press(*arguments, **variables):
    """Run the command to its end."""
    environment = os.environ | variables
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )


@pytest.fixture
def interrupted(book):
    """Function that sends a signal to a run and all of its group while a chapter waits."""
    mark = book.folder / "mark"
    book.save("01_a", WAITS.format(str(mark)))

    def interrupt(number):
        # a terminal sends Ctrl-C to all processes of its group, and so does one that closes
        run = subprocess.Popen(
            [*COMMAND, "execute"],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Tests that run under nohup would hand down that it is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        assert wait_for(lambda: mark.exists() and mark.read_text())
        started = [process.pid for process in psutil.Process(run.pid).children(recursive=True)]
        assert int(mark.read_text()) in started
        os.killpg(run.pid, number)
        _, stderr = run.communicate(timeout=60)
        assert wait_for(lambda: not any(map(is_running, started)))
        return run.returncode, stderr

    return interrupt


def test_a_failure_ends_with_one_message_and_the_place_of_its_traceback(book):
    book.save("01_a", "int('x')")
    done = press("book")
    message = "01_a, cell 3 (int('x')): ValueError: invalid literal for int() with base 10: 'x'"
    place = "  more in _build/failed/01_a.txt"
    assert (done.returncode, done.stderr.strip().splitlines()) == (1, [message, place])
    assert "----> 1 int('x')" in (book.folder / "_build" / "failed" / "01_a.txt").read_text()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_an_interrupted_run_leaves_neither_files_nor_processes(book, interrupted, number, status):
    returncode, stderr = interrupted(number)
    assert returncode == status and "Traceback" not in stderr
    assert files(book.run.parent) == [".lock"]


def test_a_later_run_cleans_what_a_killed_one_left(book, interrupted):
    interrupted(signal.SIGKILL)
    assert list(book.run.parent.glob(".run-*"))
    (book.run.parent / ".site-left").mkdir()
    book.save("01_a", "1 + 1")
    assert press("execute").returncode == 0
    assert [path.name for path in book.run.parent.glob(".*")] == [".lock"]


def test_an_interruption_during_the_imports_ends_with_one_line(book):
    book.save("01_a", "1 + 1")
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTS_ITSELF], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.split("\n") == ["", "interrupted; what was finished before is kept", ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["book", "--jobs", "0"], "at least 1 notebook must run at a time; got jobs = 0"),
        (["book", "--jobs", "-1"], "at least 1 notebook must run at a time; got jobs = -1"),
        (["build"], "there are no executed notebooks in _build/executed; run"),
        (["book", "--profile", "ful"], "there is no profile 'ful'; did you mean 'full'?"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(book, arguments, message):
    book.save("01_a")
    book.write("profiles/full.yml", "")
    done = press(*arguments)
    assert done.returncode == 1 and done.stderr.strip().startswith(message)
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_damaged_baseline_is_named_before_anything_runs(book):
    book.save("01_a")
    (book.folder / "data").mkdir()
    (book.folder / "data" / "expected.yml").write_text("a: [")
    done = press("book")
    assert "data/expected.yml, line 1 cannot be read as YAML" in done.stderr
    assert "started" not in done.stdout


def test_a_file_in_the_place_of_the_build_folder_is_named(book):
    (book.folder / "_build").touch()
    done = press("book")
    assert (
        done.stderr.strip() == "_build must be a folder, for what is built; it is a file: move it"
    )


def test_a_folder_without_a_book_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = press("book")
    assert "run this in the root of the repository" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(book):
    book.write("_static/a.css", "css")
    page = book.run / "_static" / "a.css"
    page.parent.mkdir(parents=True)
    # a device that takes nothing
    page.symlink_to("/dev/full")
    done = press("execute")
    assert done.returncode == 1
    [message, place] = done.stderr.strip().splitlines()
    assert "No space left on device" in message and place == "  more in _build/failed/traceback.txt"


def test_data_that_are_not_used_are_named(book):
    done = press("execute", GAPBOOK_DATA="mine")
    assert done.returncode == 0
    assert done.stderr.startswith("note: GAPBOOK_DATA is mine, which is no folder")


def test_a_second_run_waits_for_the_first(book):
    counter = book.folder / "runs"
    book.save("01_a", f"open({str(counter)!r}, 'a').write('x')", "import time\ntime.sleep(2)")
    runs = [subprocess.Popen([*COMMAND, "execute"], stdout=subprocess.PIPE) for _ in range(2)]
    outputs = sorted(run.communicate(timeout=90)[0].decode() for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert counter.read_text() == "x"
    assert sum("another run works in _build; this one waits" in output for output in outputs) == 1
    assert sum("01_a: unchanged" in output for output in outputs) == 1

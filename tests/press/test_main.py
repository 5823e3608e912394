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


def test_a_failure_ends_with_one_message(book):
    book.save("01_a", "int('x')")
    done = subprocess.run([*COMMAND, "book"], capture_output=True, text=True, check=False)
    message = "01_a, cell 3 (int('x')): ValueError: invalid literal for int() with base 10: 'x'"
    assert (done.returncode, done.stderr.strip()) == (1, message)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_an_interrupted_run_leaves_neither_files_nor_processes(book, number, status):
    mark = book.folder / "mark"
    book.save("01_a", WAITS.format(str(mark)))
    # a terminal sends Ctrl-C to all processes of its group
    run = subprocess.Popen(
        [*COMMAND, "execute"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert wait_for(lambda: mark.exists() and mark.read_text())
    started = [process.pid for process in psutil.Process(run.pid).children(recursive=True)]
    assert int(mark.read_text()) in started
    os.killpg(run.pid, number)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == status and "Traceback" not in stderr
    assert files(book.run.parent) == [".lock"]
    assert wait_for(lambda: not any(map(is_running, started)))


def test_a_second_run_waits_for_the_first(book):
    counter = book.folder / "runs"
    book.save("01_a", f"open({str(counter)!r}, 'a').write('x')", "import time\ntime.sleep(2)")
    runs = [subprocess.Popen([*COMMAND, "execute"], stdout=subprocess.PIPE) for _ in range(2)]
    outputs = sorted(run.communicate(timeout=90)[0].decode() for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert counter.read_text() == "x" and "01_a: unchanged" in outputs[-1] + outputs[0]

"""Notebooks in worker processes: what they find there, how they fail, and that nothing stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gapbook.press.worker import execute_side_by_side

pytestmark = pytest.mark.book

KERNEL = {"kernelspec": {"name": "of-another-machine", "display_name": "x", "language": "python"}}
ENVIRONMENT = """
import os, sys
names = ["OMP_NUM_THREADS", "GAPBOOK_DATA", "MPLBACKEND"]
print(os.listdir(), [os.environ.get(name) for name in names], sys.executable)
"""
HANGS_ONCE = """
import pathlib, time
mark = pathlib.Path({!r})
if not mark.exists():
    mark.touch()
    time.sleep(100)
"""
# leaves the number of its process behind, then waits
WAITS = "import os, pathlib, time\npathlib.Path({!r}).write_text(str(os.getpid()))\ntime.sleep(100)"


def notebook(*sources):
    """Notebook with a title and a cell for each source."""
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    return new_notebook(cells=cells, metadata=KERNEL)


def execute(folder, timeout=60, **sources):
    """Outcomes by name."""
    outcomes = {}
    notebooks = {name: notebook(*cells) for name, cells in sources.items()}
    execute_side_by_side(notebooks, outcomes.__setitem__, folder=folder, jobs=2, timeout=timeout)
    assert list(folder.glob(".run-*")) == []
    return outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Outcomes of notebooks that end well or badly, executed together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)
        patch.setenv("GAPBOOK_DATA", "/data")
        patch.setenv("MPLBACKEND", "agg")
        return execute(
            tmp_path_factory.mktemp("side_by_side"),
            environment=[ENVIRONMENT],
            memory=["x = b'1' * 300_000_000"],
            error=["x = 1", "y = 2\nx / 0"],
            error_of_two_lines=["raise ValueError('first\\nsecond')"],
            error_without_a_message=["raise ValueError"],
            exit_of_python=["import sys\nsys.exit()", "1"],
            exit_of_ipython=["exit()", "import time\ntime.sleep(2)"],
            magic=["%magik"],
            killed=["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"],
            orphaned=["import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"],
        )


def test_a_kernel_runs_in_an_empty_folder_with_its_share_of_processors(outcomes):
    threads = str(max(1, os.cpu_count() // 2))
    backend = "module://matplotlib_inline.backend_inline"
    expected = f"[] {[threads, '/data', backend]} {sys.executable}\n"
    assert outcomes["environment"].notebook.cells[1].outputs[0].text == expected


def test_costs_are_those_of_the_kernel(outcomes):
    assert 300 < outcomes["memory"].memory_mb < 600
    assert 0 < outcomes["environment"].memory_mb < 300
    assert 0 < outcomes["memory"].seconds < 60


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("error", "cell 3 (y = 2): ZeroDivisionError: division by zero"),
        ("error_of_two_lines", r"cell 2 (raise ValueError('first\nsecond')): ValueError: first"),
        ("error_without_a_message", "cell 2 (raise ValueError): ValueError"),
        ("exit_of_python", "cell 2 (import sys): SystemExit"),
        ("exit_of_ipython", "cell 2 (exit()): it ends the kernel, by exit() or quit()"),
        ("magic", "cell 2 (%magik): UsageError: Line magic function `%magik` not found."),
        ("killed", "cell 2 (import os, signal): Kernel died"),
    ],
)
def test_a_failure_names_cell_and_error(outcomes, name, error):
    assert outcomes[name].error == error
    assert outcomes[name].notebook is None and not outcomes[name].hangs


def test_details_hold_the_whole_traceback_or_what_the_kernel_said(outcomes):
    assert outcomes["error_of_two_lines"].details.endswith("\nValueError: first\nsecond")
    assert "----> 2 x / 0" in outcomes["error"].details and "\x1b" not in outcomes["error"].details
    assert "Kernel died" in outcomes["killed"].details


def test_a_worker_that_is_killed_fails_its_notebook_alone(outcomes):
    assert outcomes["orphaned"].error == "before its end: the process that executes it was killed"


def test_a_notebook_that_hangs_runs_once_more_loudly(tmp_path, capfd):
    mark = str(tmp_path / "mark")
    outcomes = execute(
        tmp_path,
        timeout=2,
        once=[HANGS_ONCE.format(mark), "'done'"],
        twice=["import time\ntime.sleep(100)"],
    )
    output = capfd.readouterr().out
    assert outcomes["once"].notebook.cells[2].outputs[0].data["text/plain"] == "'done'"
    assert outcomes["twice"].error.startswith("cell 2 (import time): A cell timed out")
    assert output.count("!!!! twice hangs, cell 2") == output.count("!!!! once hangs") == 1


def wait_for(condition):
    """Wait until a condition is true, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_no_process_survives_its_parent(tmp_path, number):
    mark = tmp_path / "mark"
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_worker import execute, WAITS
if __name__ == "__main__":
    execute(Path({str(tmp_path)!r}), waits=[WAITS.format({str(mark)!r})])
"""
    (tmp_path / "main.py").write_text(code)
    parent = subprocess.Popen([sys.executable, tmp_path / "main.py"], stderr=subprocess.DEVNULL)
    assert wait_for(lambda: mark.exists() and mark.read_text())
    started = [process.pid for process in psutil.Process(parent.pid).children(recursive=True)]
    assert int(mark.read_text()) in started
    parent.send_signal(number)
    parent.wait(timeout=60)
    assert wait_for(lambda: not any(map(is_running, started)))
    assert number == signal.SIGKILL or list(tmp_path.glob(".run-*")) == []

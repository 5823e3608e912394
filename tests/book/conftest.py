"""The book, executed and built once for all tests; the runner's lock makes other test processes wait for it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.book)
            item.add_marker(pytest.mark.xdist_group("book"))


def press(*command):
    done = subprocess.run([sys.executable, "-m", "gapbook.press", *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"gapbook.press {' '.join(command)}: {done.stderr or done.stdout}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="session")
def executed_book():
    """Folder with the executed chapters, brought up to date."""
    press("execute")
    return ROOT / "_build" / "executed"


@pytest.fixture(scope="session")
def built_site(executed_book):
    """Folder with the site, built from the executed chapters with warnings as errors."""
    press("build")
    return ROOT / "_build" / "html"

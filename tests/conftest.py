"""Settings of all tests, and the book, executed and built once for those that look at it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
settings.register_profile("book", deadline=None)  # a first call may import a library
settings.load_profile("book")


def pytest_collection_modifyitems(items):
    for item in items:
        if ROOT / "tests" / "book" in item.path.parents:
            item.add_marker(pytest.mark.book)


def press(*command):
    done = subprocess.run(
        [sys.executable, "-m", "gapbook.press", *command], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.fail(
            f"gapbook.press {' '.join(command)}: {done.stderr or done.stdout}", pytrace=False
        )
    return done.stdout


@pytest.fixture(scope="session")
def executed_book():
    """Folder with the executed chapters, brought up to date; other test processes wait."""
    press("execute")
    return ROOT / "_build" / "executed"


@pytest.fixture(scope="session")
def built_site(executed_book):
    """Folder with the site, built from the executed chapters with warnings as errors."""
    press("build")
    return ROOT / "_build" / "html"


# not of the session: while it is open, no other test could run an event loop
@pytest.fixture(scope="module")
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()

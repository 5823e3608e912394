"""A notebook in JupyterLab: a slider is live, and moving it draws the figure between two frames."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

CODE = """\
from matplotlib import pyplot as plt
from gapbook.interactive import slider

def draw(lift):
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.set(ylim=(-5, 5))
    axes.axhline(lift)
    return figure

slider(draw, [0.0, 1.0, 4.0], "lift", alt=lambda lift: f"A line at {lift:.3g}", continuous=True)
"""
START = 90  # seconds
# JupyterLab on a busy machine may show an output before its widgets are there to draw it.
TRIES = 4


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab over an empty folder, and the folder."""
    home = tmp_path_factory.mktemp("home")
    folder = tmp_path_factory.mktemp("notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    folders = ("CONFIG", "DATA", "RUNTIME")
    environment = os.environ | {f"JUPYTER_{name}_DIR": str(home / name) for name in folders}
    environment |= {"JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": str(home), "HOME": str(home)}
    environment.pop("GAPBOOK_STATIC", None)
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", "--no-browser"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0", "--allow-root"]
    command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", *options]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{base}/api?token={token}", server, home / "log")
        yield f"{base}/lab/tree/{{}}?token={token}", folder
    finally:
        server.terminate()
        server.wait()


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url)
        except urllib.error.URLError:
            time.sleep(0.3)
        else:
            return
    pytest.fail(f"JupyterLab has not started:\n{log.read_text()}")


def test_a_slider_moves_in_jupyterlab(lab, browser):
    url, folder = lab
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = new_notebook(cells=[new_code_cell(CODE)], metadata=kernel)
    nbformat.write(notebook, folder / "one.ipynb")
    page = browser.new_page()
    page.goto(url.format("one.ipynb"))
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(cell).to_be_visible(timeout=60_000)
    # On a busy machine a kernel takes its time, and what is run before it is there is lost.
    indicator = page.locator(".jp-Notebook-ExecutionIndicator").first
    expect(indicator).to_have_attribute("data-status", "idle", timeout=60_000)
    output = cell.locator(".jp-OutputArea-output")
    image = output.locator("img")
    for _ in range(TRIES):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        with suppress(AssertionError):
            expect(image).to_have_attribute("alt", "A line at 0", timeout=30_000)
            break
    expect(image).to_have_attribute("alt", "A line at 0")
    # one figure, by one output
    expect(image).to_have_count(1)
    expect(output).to_have_count(1)
    first = image.get_attribute("src")
    handle = output.get_by_role("slider").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    # a hundredth of the way, which no frame of the page shows
    expect(image).to_have_attribute("alt", "A line at 0.04", timeout=30_000)
    assert image.get_attribute("src") != first
    box = output.locator(".noUi-base, .slider").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    expect(image).to_have_attribute("alt", re.compile(r"A line at (2\.9|3)"), timeout=30_000)
    expect(image).to_have_count(1)
    page.close()

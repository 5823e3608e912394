"""Each chapter as Colab runs it.

That is: PyTorch and a kernel at hand that has loaded older packages than the book's, an empty
folder, and the stamped install cell of the copy that the site offers. A chapter runs up to its
first figure, which needs the installed package, its data and its libraries; the executed book runs
the rest. With COLAB=whole, as every week, chapters run to their ends here too.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from gapbook.press.stamp import stamp

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
# what Colab's kernel has in memory before the first cell
LOADED = ["numpy", "pandas", "matplotlib"]
CHAPTERS = sorted(path.name for path in (ROOT / "book").glob("0*.ipynb"))


def output(*command: str | Path) -> str:
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine like Colab's: folder of a virtual environment, with a kernel and a home."""
    machine = tmp_path_factory.mktemp("colab")
    output(sys.executable, "-m", "venv", machine)
    python = machine / "bin" / "python"
    pip = (python, "-m", "pip")
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    older = [pin.replace("==", "<") for pin in pins if pin.partition("==")[0] in LOADED]
    rest = [pin for pin in pins if pin.partition("==")[0] not in LOADED]
    (machine / "constraints.txt").write_text("\n".join(rest))
    packages = ("pip>=24.1", "torch", "ipykernel", *older)
    output(*pip, "install", "-q", "-c", machine / "constraints.txt", *packages)
    startup = machine / "home" / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "loaded.py").write_text(f"import {', '.join(LOADED)}, matplotlib.pyplot")
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"HOME": str(machine / "home"), "XDG_CACHE_HOME": str(machine / "home" / "cache")},
    }
    (machine / "kernels" / "python3").mkdir(parents=True)
    (machine / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    with pytest.MonkeyPatch.context() as patch:
        # packages need not come twice
        patch.setenv("PIP_CACHE_DIR", output(*pip, "cache", "dir"))
        for name in ("GAPBOOK_DATA", "PYTHONPATH", "IPYTHONDIR", "MPLBACKEND"):
            patch.delenv(name, raising=False)
        yield machine


def versions(machine: Path) -> set[str]:
    """Versions of what the kernel has loaded, by the names of their folders."""
    folders = (machine / "lib").glob("python*/site-packages/*.dist-info")
    return {path.name for path in folders if path.name.partition("-")[0] in LOADED}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_stamped_chapter_runs_on_a_machine_of_its_own(
    chapter: str, colab: Path, built_site: Path, tmp_path: Path
) -> None:
    commit = output("git", "rev-parse", "HEAD")
    copy = nbformat.read(built_site / "_sources" / chapter, as_version=4)
    stamped = stamp(copy, ROOT.as_uri(), commit, (ROOT / "constraints.txt").read_text())
    if os.environ.get("COLAB") != "whole":
        first = next(i for i, cell in enumerate(stamped.cells) if "plots.show(" in cell.source)
        del stamped.cells[first + 1 :]
    kernels = KernelSpecManager(kernel_dirs=[str(colab / "kernels")], ensure_native_kernel=False)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    before = versions(colab)
    client = NotebookClient(
        stamped, km=manager, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    try:
        # the kernel is ours, and ends with its chapter
        client.execute(cleanup_kc=True)
    finally:
        # pip's complaint, if it had one, is shown with the failure
        print(stamped.cells[1].get("outputs"))

    assert versions(colab) == before
    [package] = (colab / "lib").glob("python*/site-packages/gapbook-*.dist-info/direct_url.json")
    origin = json.loads(package.read_text())
    assert origin["vcs_info"]["commit_id"] == commit and not origin.get("dir_info")
    code = [cell for cell in stamped.cells if cell.cell_type == "code"]
    data = [out.get("data", {}) for cell in code for out in cell.outputs]
    assert any("image/png" in bundle for bundle in data)
    assert not any(str(ROOT) in json.dumps(bundle) for bundle in data), "it used the checkout"
    assert list(tmp_path.iterdir()) == []

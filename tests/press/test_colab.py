"""The install cell in a kernel that has loaded other versions than the book's.

Machines are virtual environments with packages of one line each, so a test takes seconds.
"""

import os
import subprocess
import sys
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from gapbook.press import colab

# Colab has these before the first cell; numbering has been loaded, frames has not
MACHINE = {"numbering": "1.0", "frames": "1.0", "torch": "1.0+cu1", "symbols": "1.0"}
PINS = "numbering==2.0 frames==2.0 symbols==2.0 extra==2.0"


def wheel(folder, name, version, *requirements):
    """Write a wheel of one module that knows its version."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, content in (contents | {f"{info}/RECORD": record}).items():
            file.writestr(path, content)


class Machine:
    """A virtual environment, and wheels that stand for a package index."""

    def __init__(self, folder):
        self.folder = folder
        self.index = folder / "index"
        self.index.mkdir()
        venv.create(folder / "venv")
        # the pip of these tests, without what is installed beside it
        tools = folder / "tools"
        tools.mkdir()
        (tools / "pip").symlink_to(Path(find_spec("pip").origin).parent)
        self.environment = os.environ | {
            "PYTHONPATH": str(tools),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def python(self, *arguments):
        command = [self.folder / "venv" / "bin" / "python", *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            cwd=self.folder,
        )

    def cell(self, *runs):
        """Run the cell in one kernel, which has loaded numbering, and say what came each time."""
        code = Path(colab.__file__).read_text()
        code += f"""
import numbering
memory = {{}}
for requirement in {list(runs)!r}:
    try:
        install(requirement, {PINS!r}, memory)
        import gapbook
        print("done")
    except RuntimeError as error:
        print(str(error))
"""
        done = self.python("-c", code)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        return [line for line in lines if not line.startswith("Installing")]

    def versions(self):
        output = self.python("-m", "pip", "list", "--format=freeze").stdout
        return dict(line.split("==") for line in output.splitlines())


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    for name, version in MACHINE.items():
        wheel(machine.index, name, version, *(["symbols==1.0"] if name == "torch" else []))
    packages = [f"{name}=={version}" for name, version in MACHINE.items()]
    assert machine.python("-m", "pip", "install", "-q", *packages).returncode == 0
    for name in ("numbering", "frames", "symbols", "extra"):
        wheel(machine.index, name, "2.0")
        wheel(machine.index, name, "3.0")
    wheel(machine.index, "torch", "2.0")
    return machine


def test_what_the_kernel_has_loaded_stays_and_the_rest_gets_the_versions_of_the_book(machine):
    wheel(machine.index, "gapbook", "1.0", "numbering>=1", "frames", "extra", "torch")
    assert machine.cell("gapbook") == ["done"]
    expected = {"numbering": "1.0", "frames": "2.0", "extra": "2.0", "gapbook": "1.0"}
    # PyTorch stays with what it asks for, though the kernel has not loaded it
    expected |= {"torch": "1.0+cu1", "symbols": "1.0"}
    assert machine.versions() == expected


def test_where_a_loaded_package_must_be_replaced_the_kernel_must_start_again(machine):
    wheel(machine.index, "gapbook", "1.0", "numbering>=2", "frames", "torch")
    once, again = machine.cell("gapbook", "gapbook")
    assert once == again
    assert once.startswith("Restart this kernel (Colab: Runtime > Restart session) and run all")
    assert "(numbering 1.0 -> 2.0)" in once
    # the new kernel
    assert machine.cell("gapbook") == ["done"]
    assert machine.versions()["torch"] == "1.0+cu1"


def test_what_pip_says_is_shown_where_it_fails(machine):
    lines = machine.cell("gapbook")
    assert lines[0] == "pip cannot install gapbook:"
    assert "No matching distribution found for gapbook" in lines[-1]
    assert machine.versions() == MACHINE


def test_an_installed_package_is_left_as_it_is(machine):
    wheel(machine.index, "gapbook", "1.0")
    assert machine.cell("gapbook") == ["done"]
    wheel(machine.index, "gapbook", "2.0", "numbering>=2")
    assert machine.cell("gapbook") == ["done"]
    assert machine.versions()["gapbook"] == "1.0"


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({}, "a-b==2.0\nc==2.0"),
        ({"a-b": "1.0"}, "a-b==1.0\nc==2.0"),
        ({"d": "1.0"}, "a-b==2.0\nc==2.0"),
        ({"torch": "1.0+cu1"}, "a-b==2.0\nc==2.0\ntorch==1.0+cu1"),
    ],
)
def test_pins_give_way_to_what_is_kept(kept, expected):
    assert colab.constraints("A_b==2.0\nc==2.0", kept) == expected


def test_packages_are_found_by_the_modules_that_are_loaded():
    versions = colab.loaded_versions()
    assert versions["pytest"] == pytest.__version__
    assert sys.modules.keys() >= {"pytest"} and "jupyter-book" not in versions

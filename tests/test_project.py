"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gapbook.press.stamp import install_cell

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def pinned() -> dict[str, str]:
    lines = (
        line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()
    )
    return {
        str(canonicalize_name(name)): version
        for name, version in (line.split("==") for line in lines if line)
    }


def test_environment_installs_this_package_and_nothing_of_its_own() -> None:
    python, pip, packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lowest = re.sub(r"[^\d.]", "", PROJECT["requires-python"])
    assert python == f"python={lowest}" and pip == "pip"
    assert packages["pip"] == ["-c constraints.txt", "-e .[chapters]"]
    assert (ROOT / "constraints.txt").is_file() and "chapters" in PROJECT["optional-dependencies"]


def test_every_requirement_has_a_pin_that_satisfies_it() -> None:
    pins, extras = pinned(), PROJECT["optional-dependencies"].values()
    for requirement in map(
        Requirement, [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    ):
        name = str(canonicalize_name(requirement.name))
        if name != "gapbook":
            assert name in pins, f"constraints.txt has no {name}"
            assert requirement.specifier.contains(pins[name]), f"{requirement} against {pins[name]}"
        assert requirement.extras <= set(PROJECT["optional-dependencies"])


def test_jupyter_book_stays_below_2() -> None:
    book = [Requirement(text) for text in PROJECT["optional-dependencies"]["book"]]
    jupyter_book = next(r for r in book if r.name == "jupyter-book")
    assert jupyter_book.specifier.contains("1.0.4.post1") and not jupyter_book.specifier.contains(
        "2.0.0"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_clean_and_install_nothing_unclaimed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in code if cell.outputs or cell.execution_count], (
        "run nbstripout on it"
    )
    install = install_cell(notebook)
    if path.parent.name == "book":
        assert (
            install is not None and install is code[0] and notebook.cells[0].source.startswith("# ")
        )
        assert notebook.cells.index(install) == 1 and "remove-cell" in install.metadata["tags"]
    assert not re.search(
        r"pip install (?!(?:-c \S+ )?-e )[^\n]*gapbook", "\n".join(cell.source for cell in code)
    )


def test_every_page_of_the_contents_exists() -> None:
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    pages = [
        toc["root"],
        *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"]),
    ]
    missing = [page for page in pages if not list((ROOT / "book").glob(f"{page}.*"))]
    assert not missing and {
        p.relative_to(ROOT / "book").with_suffix("").as_posix() for p in NOTEBOOKS
    } <= set(pages)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_workflows_ask_for_little_and_end(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert 1 <= job["timeout-minutes"] <= 60, name
        for step in job["steps"]:
            uses, run = step.get("uses", ""), step.get("run", "")
            assert not uses or re.fullmatch(r"actions/[\w-]+@v\d+", uses), (
                f"{uses}: not a pinned action of GitHub's own"
            )
            assert not re.search(r"\$\{\{\s*github\.(event|head_ref)", run), (
                "text of strangers does not go into a shell"
            )


def test_workflows_call_the_commands_of_the_readme() -> None:
    text = {path.stem: path.read_text() for path in WORKFLOWS}
    assert set(text) == {"ci", "publish", "weekly"}
    assert (
        ".ci/run" in text["ci"]
        and "make book" in text["publish"]
        and "make test" in (ROOT / ".ci" / "run").read_text()
    )

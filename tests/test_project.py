"""The project's own files agree with each other."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gapbook
from gapbook.press.stamp import install_cell

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OLDEST_PYTHON = PROJECT["requires-python"].removeprefix(">=")
MAKEFILE = (ROOT / "Makefile").read_text()
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name == "book"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / ".github").glob("*.md")),
    *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()),
]
CODE = re.compile(r"```.*?```|``.+?``|`[^`]+`", re.DOTALL)

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def name_of(requirement: Requirement) -> str:
    return str(canonicalize_name(requirement.name))


def pinned() -> dict[str, str]:
    """Read constraints.txt: the version of each package under its canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {str(canonicalize_name(name)): version for name, version in pins}


def code(text: str) -> str:
    """Return the blocks and spans of code in a Markdown text."""
    return "\n".join(CODE.findall(text))


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job["steps"]


def commands(path: Path) -> str:
    """Return what a workflow's steps run."""
    return "\n".join(step.get("run", "") for step in steps(path))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", MAKEFILE, re.MULTILINE))


def made(text: str) -> set[str]:
    """Name the targets that the calls of make in a text ask for.

    >>> sorted(made("make lint unit  # not make sure"))
    ['lint', 'unit']
    >>> sorted(made("PORT=1 make serve; make constraints ARGS=--upgrade"))
    ['constraints', 'serve']
    """
    text = re.sub(r"#.*", "", text)
    calls = re.findall(r"\bmake((?: +[a-z]+\b(?!=))+)", text)
    return {target for call in calls for target in call.split()}


def test_the_package_is_the_one_place_for_the_version() -> None:
    assert PROJECT["dynamic"] == ["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == gapbook.__version__
    headings = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert headings[1] == f"[{gapbook.__version__}] - {citation['date-released']}"


def test_environment_asks_for_python_and_pip_and_leaves_the_rest_to_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    pip = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert conda == [f"python={OLDEST_PYTHON}", "pip"]
    assert len(pip) == 1
    assert pip[0][0] == "-c constraints.txt"
    extra = re.fullmatch(r"-e \.\[(\w+)\]", pip[0][1])
    assert extra and extra[1] in PROJECT["optional-dependencies"]
    assert len(pip[0]) == 2, "requirements stand in pyproject.toml"


def test_every_requirement_has_a_pin_that_satisfies_it() -> None:
    pins = pinned()
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]
    for requirement in map(Requirement, lines):
        assert requirement.extras <= set(extras), f"{requirement}: no such extra"
        name = name_of(requirement)
        if name == "gapbook":
            continue
        assert name in pins, f"constraints.txt has no {name}: run make constraints"
        assert requirement.specifier.contains(pins[name]), f"{requirement} against {pins[name]}"


def test_constraints_are_resolved_for_the_oldest_python() -> None:
    assert f"OLDEST := {OLDEST_PYTHON}\n" in MAKEFILE
    assert f"--python-version {OLDEST_PYTHON}" in (ROOT / "constraints.txt").read_text()


def test_hooks_have_the_versions_of_constraints() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    revisions = {repo["repo"].rsplit("/", 1)[1]: repo["rev"] for repo in config["repos"]}
    pins = pinned()
    assert revisions["ruff-pre-commit"] == f"v{pins['ruff']}"
    assert revisions["nbstripout"] == pins["nbstripout"]


def test_jupyter_book_stays_below_2() -> None:
    book = [Requirement(line) for line in PROJECT["optional-dependencies"]["book"]]
    specifier = next(line.specifier for line in book if name_of(line) == "jupyter-book")
    assert specifier.contains("1.0.4.post1")
    assert not specifier.contains("2.0.0")
    bot = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    pip = next(update for update in bot["updates"] if update["package-ecosystem"] == "pip")
    assert {"dependency-name": "jupyter-book", "versions": [">=2"]} in pip["ignore"]


@each_notebook
def test_notebooks_are_valid_and_install_nothing_unclaimed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert not re.search(r"pip install (?!(?:-c \S+ )?-e )[^\n]*gapbook", source)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_begin_with_their_title_and_the_install_cell(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    title, second = notebook.cells[:2]
    assert title.source.startswith("# ")
    assert second is install_cell(notebook)
    assert "remove-cell" in second.metadata["tags"]


def test_every_page_of_the_contents_exists_and_every_notebook_is_in_them() -> None:
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    pages = {toc["root"], *chapters}
    assert not [page for page in pages if not list((ROOT / "book").glob(f"{page}.*"))]
    notebooks = {p.relative_to(ROOT / "book").with_suffix("").as_posix() for p in NOTEBOOKS}
    assert notebooks <= pages


def test_every_make_target_has_help_and_is_no_file() -> None:
    with_help = set(re.findall(r"^([a-z]+):.*  ## \S", MAKEFILE, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.+)", MAKEFILE, re.MULTILINE)[0].split())
    assert make_targets() == with_help
    assert make_targets() == phony


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_lists_every_target() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert listed == make_targets()


@each_document
def test_documents_name_only_make_targets_that_exist(path: Path) -> None:
    assert made(code(path.read_text())) <= make_targets()


@each_document
def test_links_of_documents_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    files = [link for link in links if not link.startswith("https://")]
    assert not [link for link in files if not (ROOT / link).exists()]


@each_document
def test_documents_name_only_paths_that_exist(path: Path) -> None:
    folders = r"book|data|gapbook|tests|\.ci|\.github"
    paths = re.findall(rf"(?<![\w./-])(?:{folders})/[\w./-]*", code(path.read_text()))
    assert not [name for name in paths if not (ROOT / name).exists()]


def test_the_map_of_the_project_names_paths_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| .+? \| (.+) \|$", text, re.MULTILINE)
    spans = [span for row in rows for span in re.findall(r"`([^`\s]+)`", row)]
    paths = [span for span in spans if re.search(r"[/.]", span)]
    assert paths
    assert not [name for name in paths if not (ROOT / name).exists()]


@each_workflow
def test_workflows_ask_for_little_and_end(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert 1 <= job["timeout-minutes"] <= 60, name
    for step in steps(path):
        assert not re.search(r"\$\{\{\s*github\.(event|head_ref)", step.get("run", "")), (
            "text of strangers does not go into a shell"
        )


@each_workflow
def test_workflows_use_github_s_own_actions_at_a_commit_with_its_tag(path: Path) -> None:
    for action in re.findall(r"uses: (.+)", path.read_text()):
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+){2}", action), action


@each_workflow
def test_runs_of_a_tag_and_of_main_do_not_wait_for_each_other(path: Path) -> None:
    concurrency = yaml.safe_load(path.read_text()).get("concurrency", {})
    assert "github.ref" in concurrency.get("group", "github.ref")


@each_workflow
def test_workflows_call_only_make_targets_that_exist(path: Path) -> None:
    assert made(commands(path)) <= make_targets()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in code((ROOT / "README.md").read_text())
    assert ".ci/run" in commands(ROOT / ".github" / "workflows" / "ci.yml")
    assert "test" in made((ROOT / ".ci" / "run").read_text())

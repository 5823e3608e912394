"""What the pages of functions show describes each parameter that the code has, and no other."""

import ast
import importlib
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gapbook"
# Folders whose names the package itself calls, and no reader.
INTERNAL = {"array_files", "checks", "cli", "files"}
SECTION = re.compile(r"^(Parameters|Returns|Yields|Raises|Notes|References|Examples)\n-+$", re.M)


def pages_of_functions():
    """Return the text of the pages that list functions: for readers, and for the book itself."""
    appendix = PACKAGE.parent / "book" / "appendix"
    return "\n".join(
        (appendix / name).read_text(encoding="utf-8") for name in ("api.md", "plumbing.md")
    )


def shown_names():
    """Return the names that the pages of functions list and those that packages re-export."""
    page = pages_of_functions()
    listed = re.findall(r":members: (.*)", page)
    names = {name.strip() for line in listed for name in line.split(",")}
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent.name in INTERNAL:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name for alias in node.names}
    return names


def shown_functions():
    """Yield the functions, and the methods of classes, that a reader is shown."""
    shown = shown_names()
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if getattr(node, "name", None) not in shown:
                continue
            members = node.body if isinstance(node, ast.ClassDef) else [node]
            for function in members:
                if not isinstance(function, ast.FunctionDef) or is_overload(function):
                    continue
                if not function.name.startswith("_"):
                    place = f"{path.relative_to(PACKAGE.parent)}:{function.name}"
                    yield pytest.param(function, id=place)


def is_overload(function):
    """Say whether a function states types alone; the one that follows it has the docstring."""
    return any(getattr(mark, "id", "") == "overload" for mark in function.decorator_list)


def sections(doc):
    """Return the text of each section of a docstring, by name."""
    parts = SECTION.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(text):
    """Return the names that a section of parameters describes."""
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: :.*)?$", text, re.M)
    return {name.strip("* ") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("function", list(shown_functions()))
def test_every_parameter_of_a_public_function_is_described(function):
    doc = ast.get_docstring(function)
    assert doc, "no docstring"
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += [extra for extra in (arguments.vararg, arguments.kwarg) if extra]
    wanted = {argument.arg for argument in named} - {"self", "cls"}
    if not wanted:
        return
    assert "Parameters" in sections(doc), "no section Parameters"
    assert described(sections(doc)["Parameters"]) == wanted


def listed_names():
    """Yield each module and name of the pages of functions."""
    page = pages_of_functions()
    for module, names in re.findall(r"automodule:: (\S+)\n   :members: (.*)", page):
        for name in names.split(","):
            yield pytest.param(module, name.strip(), id=f"{module}.{name.strip()}")


@pytest.mark.parametrize(("module", "name"), list(listed_names()))
def test_a_name_of_the_page_of_functions_stands_in_its_module(module, name):
    assert hasattr(importlib.import_module(module), name)

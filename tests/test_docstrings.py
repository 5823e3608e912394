"""Public functions say in sections what they take, give and raise; what is said agrees with the code."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gapbook"
SECTION = re.compile(r"^(Parameters|Returns|Yields|Raises|Notes|References|Examples)\n-+$", re.M)


def public_functions():
    """Yield name and node of each public function and method of each module with a public name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for owner in [tree, *classes]:
            if isinstance(owner, ast.ClassDef) and owner.name.startswith("_"):
                continue
            for node in owner.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    place = f"{path.relative_to(PACKAGE.parent)}:{node.name}"
                    yield pytest.param(node, id=place)


def sections(doc):
    """Return the text of each section of a docstring, by name."""
    parts = SECTION.split(doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(text):
    """Return the names that a section of parameters describes."""
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: :.*)?$", text, re.M)
    return {name.strip("* ") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("function", list(public_functions()))
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

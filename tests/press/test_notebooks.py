import pytest

from gapbook.press import PressError
from gapbook.press.notebooks import read_notebooks


def test_notebooks_are_named_by_their_paths(book):
    book.save("02_b")
    book.save("a/page")
    book.save(".ipynb_checkpoints/02_b")
    assert list(read_notebooks(book.path)) == ["02_b", "a/page"]


def test_what_is_no_notebook_and_no_book_is_named(book):
    book.write("01_a.ipynb", "{")
    with pytest.raises(PressError, match=r"01_a.ipynb cannot be read as a notebook"):
        read_notebooks(book.path)
    with pytest.raises(PressError, match=r"there is no folder boook with notebooks"):
        read_notebooks(book.path.relative_to(book.folder).with_name("boook"))

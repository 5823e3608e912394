import pytest

from gapbook.press import PressError
from gapbook.press.notebooks import read_notebooks, set_profile


def test_notebooks_are_named_by_their_paths(book):
    book.save("02_b")
    book.save("a/page")
    book.save(".ipynb_checkpoints/02_b")
    assert list(read_notebooks(book.path)) == ["02_b", "a/page"]


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("typo", "01_a has no parameter 'n_seedz'; did you mean 'n_seeds'?"),
        ("chapter", "chapter.yml sets parameters of '01_b', not a notebook; did you mean '01_a'?"),
        ("list", "list.yml: 01_a must have a mapping of parameters; got ['n_seeds']"),
        ("chaptr", "there is no profile 'chaptr'; did you mean 'chapter'?"),
    ],
)
def test_a_wrong_name_in_a_profile_suggests_the_nearest(book, profile, message):
    book.save("01_a")
    book.write("profiles/typo.yml", "01_a: {n_seedz: 5}")
    book.write("profiles/chapter.yml", "01_b: {n_seeds: 5}")
    book.write("profiles/list.yml", "01_a: [n_seeds]")
    with pytest.raises(PressError) as caught:
        set_profile(read_notebooks(book.path), book.path / "profiles" / f"{profile}.yml")
    assert str(caught.value) == message


def test_what_is_no_notebook_and_no_book_is_named(book):
    book.write("01_a.ipynb", "{")
    with pytest.raises(PressError, match=r"01_a.ipynb cannot be read as a notebook"):
        read_notebooks(book.path)
    with pytest.raises(PressError, match=r"there is no folder boook with notebooks"):
        read_notebooks(book.path.relative_to(book.folder).with_name("boook"))

import os
import shutil

import pytest

from gapbook.press import PressError
from gapbook.press.execute import execute_book
from gapbook.press.site import build_site

pytestmark = pytest.mark.book

SETTINGS = """
title: Test
execute: {execute_notebooks: 'off'}
sphinx: {extra_extensions: [gapbook.press.sphinx_ext]}
"""
RECORD = "from gapbook.press import record\nrecord('ch01.test.gap', 0.5, 'distance')"


def test_a_site_is_built_once_and_survives_a_failure(book):
    book.save("01_a", RECORD, "# Gap {glue:text}`ch01.test.gap:.3f`")
    book.write("_toc.yml", "format: jb-book\nroot: 01_a\n")
    config = book.folder / "_config.yml"
    config.write_text("title: Test\nexecute: {execute_notebooks: 'off'}\n")
    execute_book()
    assert build_site() == "built in _build/html"
    page = book.run.with_name("html") / "01_a.html"
    assert "0.500" in page.read_text()
    built = page.stat().st_mtime_ns
    assert build_site() == "unchanged" and page.stat().st_mtime_ns == built
    page.unlink()
    assert build_site() == "built in _build/html" and "0.500" in page.read_text()
    (page.parent / ".digest").write_bytes(b"\xff")
    assert build_site() == "built in _build/html"
    built = page.stat().st_mtime_ns

    book.save("01_a", RECORD, "# Gap {glue:text}`ch01.test.gpa:.3f`")
    execute_book()
    with pytest.raises(
        PressError, match=r"the site was not built:\n(.|\n)*ch01.test.gpa"
    ) as caught:
        build_site()
    assert str(caught.value).endswith("\n  more in _build/failed/site.txt")
    assert page.stat().st_mtime_ns == built
    assert not list(book.run.parent.glob(".site-*"))


def test_a_site_of_nothing_is_refused(book):
    with pytest.raises(PressError, match="there are no executed notebooks in _build/executed"):
        build_site()


@pytest.fixture
def pages(book):
    """Function that writes the texts of pages into the run folder, with settings and a toc."""
    (book.folder / "_config.yml").write_text(SETTINGS)

    def write(**texts):
        book.run.mkdir(parents=True, exist_ok=True)
        names = list(texts)
        chapters = "".join(f"- file: {name}\n" for name in names[1:])
        toc = f"format: jb-book\nroot: {names[0]}\nchapters:\n{chapters}"
        for name, text in {**{f"{n}.md": t for n, t in texts.items()}, "_toc.yml": toc}.items():
            path = book.run / name
            # a run folder keeps what has not changed
            if not path.exists() or path.read_text() != text:
                path.write_text(text)

    return write


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".digest"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_again(book):
    """Build the site; return the pages that were read, after a comparison with a fresh build."""
    reading = book.run.with_name("reading")
    site = book.run.with_name("html")
    before = {path: path.stat().st_mtime_ns for path in reading.rglob("*.doctree")}
    build_site()
    after = {path: path.stat().st_mtime_ns for path in reading.rglob("*.doctree")}
    built = contents(site)
    kept = reading.rename(book.folder / "kept")
    shutil.rmtree(site)
    build_site()
    assert contents(site) == built
    shutil.rmtree(reading)
    kept.rename(reading)
    return {path.stem for path, time in after.items() if time != before.get(path)}


def test_only_changed_pages_are_read_again_and_the_site_is_that_of_a_fresh_build(book, pages):
    first = "# First\n\n{ref}`a label <gap>`, {ref}`cone`, {doc}`last`"
    last = "# Last\n\n(gap)=\n## The gap\n\nA sentence.\n\n(cone)=\n## The cone\n"
    pages(first=first, middle="# Middle\n\n{ref}`cone` again", last=last)
    assert read_again(book) == {"first", "middle", "last"}

    # prose, saved with a time before that of the last build
    pages(first=first, middle="# Middle\n\n{ref}`cone`, once more", last=last)
    os.utime(book.run / "middle.md", (0, 0))
    assert read_again(book) == {"middle"}

    # titles that other pages show
    last = last.replace("The cone", "The narrow cone").replace("# Last", "# The end", 1)
    pages(first=first, middle="# Middle\n\n{ref}`cone`, once more", last=last)
    assert read_again(book) == {"last"}
    assert "The narrow cone" in book.run.with_name("html").joinpath("middle.html").read_text()

    # a label that moves to an earlier page
    label = "(gap)=\n## The gap\n\n"
    pages(first=f"{first}\n\n{label}", middle="# Middle", last=last.replace(label, ""))
    assert read_again(book) == {"first", "middle", "last"}


def test_a_label_that_goes_is_missed_by_pages_that_did_not_change(book, pages):
    first = "# First\n\n{ref}`gap`"
    pages(first=first, last="# Last\n\n(gap)=\n## The gap\n")
    build_site()
    before = contents(book.run.with_name("reading"))
    pages(first=first, last="# Last\n\n## The gap\n")
    with pytest.raises(PressError, match="undefined label: 'gap'"):
        build_site()
    assert contents(book.run.with_name("reading")) == before
    pages(first=first, last="# Last\n\n(gap)=\n## The same gap\n")
    assert read_again(book) == {"last"}


def test_all_pages_are_read_again_after_a_change_of_settings_or_damage(book, pages):
    pages(first="# First", last="# Last")
    assert read_again(book) == {"first", "last"}
    pages(first="# First", last="# Last one")
    config = book.folder / "_config.yml"
    config.write_text(SETTINGS.replace("Test", "Test of settings"))
    assert read_again(book) == {"first", "last"}
    (book.run.with_name("reading") / ".doctrees" / "first.doctree").write_bytes(b"?")
    pages(first="# First", last="# Last two")
    assert read_again(book) == {"first", "last"}

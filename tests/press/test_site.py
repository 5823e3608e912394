import pytest

from gapbook.press import PressError
from gapbook.press.execute import execute_book
from gapbook.press.site import build_site

pytestmark = pytest.mark.book

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

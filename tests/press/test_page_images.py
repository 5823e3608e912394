"""Pages are light: images are files, fetched when they come into sight, and open at a tap."""

import base64
import io
import re

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from PIL import Image
from playwright.sync_api import expect

from gapbook.press.page_images import keep_as_files

PHONE = {"width": 390, "height": 800}


def png(seed=0, size=(60, 60)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def uri(content, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def test_images_inside_of_a_page_become_files(tmp_path):
    svg = b"<svg>" + b" " * 3000 + b"</svg>"
    page = f'<img src="{uri(png())}"><source srcset="{uri(svg, "svg+xml")}">'
    page += f'<i style="background:url({uri(png())})"></i>'
    kept = keep_as_files(page, tmp_path, "appendix/a.html")
    paths = re.findall(r"\.\./(_images/\w+\.\w+)", kept)
    assert [path.rpartition(".")[2] for path in paths] == ["png", "svg", "png"]
    assert paths[0] == paths[2]
    assert (tmp_path / paths[0]).read_bytes() == png()
    assert (tmp_path / paths[1]).read_bytes() == svg
    assert "base64" not in kept


def test_a_tiny_image_stays_in_the_page_and_all_load_lazily(tmp_path):
    page = f'<img src="{uri(b"tiny")}"><img alt="a" loading="eager" src="b.png">'
    kept = keep_as_files(page, tmp_path, "a.html")
    assert kept == page.replace("<img src", '<img loading="lazy" src')
    assert not list(tmp_path.iterdir())


def output(html):
    return new_code_cell("f()", outputs=[new_output("display_data", data={"text/html": html})])


@pytest.fixture
def url(build_pages, tmp_path):
    wide = "<th>a long header</th>" * 30
    image = f'<img src="{uri(png())}" alt="Noise" width="800" height="400">'
    cells = [
        output(f'<picture class="gap-picture">{image}</picture>'),
        new_markdown_cell(":::{caption} fig-a\nIt is noise.\n:::"),
        output(f'<table class="gap-table"><tr>{wide.replace(" ", "")}</tr></table>'),
        output('<table class="gap-table"><tr><td>narrow</td></tr></table>'),
    ]
    pages, warnings = build_pages("sphinx_book_theme", one=cells)
    assert not warnings
    assert "base64" not in pages["one"]
    return (tmp_path / "out" / "one.html").as_uri()


def test_a_figure_opens_large_by_tap_and_by_keyboard(browser, url):
    context = browser.new_context(viewport=PHONE, has_touch=True)
    page = context.new_page()
    page.goto(url)
    image = page.get_by_role("img", name="Noise").first
    assert image.bounding_box()["width"] <= PHONE["width"]
    image.tap()
    dialog = page.get_by_role("dialog", name="Figure, enlarged")
    expect(dialog).to_be_visible()
    # scrolls inside of the dialog
    assert dialog.get_by_role("img").bounding_box()["width"] >= 700
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    button = page.get_by_role("button", name="Enlarge the figure")
    button.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    context.close()


def test_a_table_that_is_cut_says_that_it_scrolls(browser, url):
    page = browser.new_page(viewport=PHONE)
    page.goto(url)
    cut = page.get_by_role("region", name="Table, scrolls sideways")
    expect(cut).to_have_count(1)
    said = "getComputedStyle(document.querySelector('.gap-cut'), '::before').content"
    assert page.evaluate(said) == '"The table scrolls sideways →"'
    cut.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    expect(page.locator(".gap-end")).to_have_count(1)
    page.close()

"""The built site in a headless browser.

Nothing comes from elsewhere, nothing is missing, and everything that moves, moves.
"""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    Route,
    expect,
)

NO_ALT = re.compile(
    r"^\s*$|^(\.\./)*_images/|^(image|figure|plot|output|png|img)\W*\d*$", re.IGNORECASE
)
OUTSIDE = re.compile(
    r"""(?:<(?:script|img|iframe|source)[^>]*\ssrc
        |<link(?![^>]*rel="(?:canonical|license)")[^>]*\shref)
    =["']?(?:https?:)?//""",
    re.VERBOSE,
)
OUTSIDE_STYLE = re.compile(r"""@import\s+(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//""")
# what a page says, in small letters, where it lacks something that it should show
HOLES = ("not at hand", "not run here", "not run.", "*not run*", "&lt;ipython.core.display")
NUMBER = re.compile(r"[−-]?\d[\d,]*(?:\.\d+)?(?:e[−-]\d+)?")
HALVED = re.compile(r"([+−-]?[\d.]+) ± ([\d.]+)")
RECORDED = re.compile(r"⟦([+−-]?\d[\d.,]*(?:e[−-]\d+)?%?)⟧")
RECORDED_INTERVAL = re.compile(rf"{RECORDED.pattern}\s+to\s+{RECORDED.pattern}")
OVERFLOW = "document.scrollingElement.scrollWidth - innerWidth"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base(built_site: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(built_site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def pages(site: Path) -> list[str]:
    """List every page of the site but the redirect from index.html to the first one."""
    files = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    own = [path for path in files if 'http-equiv="Refresh"' not in path.read_text("utf-8")]
    return sorted(path.relative_to(site).as_posix() for path in own)


def watch(context: BrowserContext, home: str) -> list[str]:
    """Block every request that leaves ``home``; list those, failed ones and errors of scripts."""
    trouble: list[str] = []

    def block(route: Route) -> None:
        trouble.append(f"outside request {route.request.url}")
        route.abort()

    def on_response(response: Response) -> None:
        if response.status >= 400:
            trouble.append(f"{response.status} {response.url}")

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            trouble.append(f"console: {message.text}")

    def on_failed(request: Request) -> None:
        # What a page still asks for when a download takes its place.
        if request.failure != "net::ERR_ABORTED":
            trouble.append(f"failed {request.url}: {request.failure}")

    context.route(lambda url: not url.startswith((home, "data:", "blob:")), block)
    context.on("response", on_response)
    context.on("console", on_console)
    context.on("requestfailed", on_failed)
    context.on("weberror", lambda e: trouble.append(f"exception: {e.error}"))
    return trouble


@pytest.fixture
def page(browser: Browser, base: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    trouble = watch(context, base)
    yield context.new_page()
    context.close()
    assert not trouble


def read(page: Page) -> dict:  # type: ignore[type-arg]
    """Wait for math, then collect what a reader and a screen reader would find on the page."""
    if page.locator("span.math, div.math").count():
        page.wait_for_function("window.MathJax?.startup?.promise !== undefined")
        page.evaluate("MathJax.startup.promise.then(() => null)")
    return page.evaluate(
        """async () => {
          const images = [...document.images];
          images.forEach((i) => { i.loading = "eager"; });
          await Promise.allSettled(images.map((i) => i.decode()));
          const all = (query) => [...document.querySelectorAll(query)];
          return {
            broken: images.filter((i) => !i.complete || !i.naturalWidth)
              .map((i) => i.src.slice(0, 99)),
            alts: all("main img").map((i) => i.getAttribute("alt") ?? ""),
            unnamed: all(
              "article svg[role=img]:not(mjx-container svg), [role=application], input, button"
            ).filter(
              (e) => e.checkVisibility() && !e.getAttribute("aria-label") && !e.labels?.length
                && !e.title && !e.textContent.trim() && !e.querySelector("[aria-label]")
            ).length,
            h1: all("main h1").filter((h) => h.checkVisibility()).length,
            levels: all("article :is(h1, h2, h3, h4, h5)").map((h) => Number(h.tagName[1])),
            landmarks: all("main").length,
            lang: document.documentElement.lang,
            ids: all("[id]").map((e) => e.id).filter((id, i, ids) => ids.indexOf(id) !== i),
            math: all("span.math, div.math").length,
            typeset: all("span.math mjx-container > svg, div.math mjx-container > svg").length,
            problems: all("mjx-merror, [data-mjx-error], .problematic").length,
          };
        }"""
    )


def test_pages_are_complete(built_site: Path, base: str, page: Page) -> None:
    for name in pages(built_site):
        page.goto(f"{base}/{name}")
        seen = read(page)
        assert not seen["broken"], f"{name}: images that do not load: {seen['broken']}"
        silent = [alt for alt in seen["alts"] if NO_ALT.search(alt)]
        assert not silent, f"{name}: images without a text that says what they show: {silent}"
        assert seen["unnamed"] == 0, f"{name}: {seen['unnamed']} unnamed controls"
        assert not seen["ids"], f"{name}: ids twice: {seen['ids']}"
        structure = (seen["landmarks"], seen["h1"], seen["lang"])
        assert structure == (1, 1, "en"), f"{name}: main, h1 and language: {structure}"
        steps = [b - a for a, b in pairwise(seen["levels"])]
        assert all(step <= 1 for step in steps), f"{name}: heading levels jump: {seen['levels']}"
        assert seen["typeset"] == seen["math"], f"{name}: math that failed"
        assert seen["problems"] == 0, f"{name}: math or references that failed"


def test_math_comes_from_the_site(base: str, page: Page) -> None:
    with page.expect_response(re.compile("mathjax")) as response:
        page.goto(f"{base}/01_modality_gap.html")
    assert response.value.ok and response.value.url.startswith(base)
    assert read(page)["math"] > 0


def test_no_page_has_a_hole(built_site: Path) -> None:
    for name in pages(built_site):
        text = (built_site / name).read_text("utf-8").lower()
        holes = [hole for hole in HOLES if hole in text]
        assert not holes, f"{name}: {holes}"


def number(text: str) -> float:
    """Return the number that a text is, without a sign of percent."""
    return float(text.replace("−", "-").replace(",", "").rstrip("%"))


def room(text: str) -> float:
    """Return how far a number may lie from the one that a text is, if that is rounded."""
    mantissa, _, power = text.replace("−", "-").rstrip("%").partition("e")
    digits = len(mantissa.partition(".")[2])
    return (0.5 + 1e-6) * 10.0 ** (int(power or 0) - digits)


def is_shown(text: str, shown: set[float]) -> bool:
    """Tell whether a number is one of those that are shown, rounded, or as percent of it."""
    wanted = abs(number(text))
    return any(abs(abs(x) * f - wanted) <= room(text) for x in shown for f in (1, 100))


def is_half_shown(low: str, high: str, halves: set[tuple[float, float]]) -> bool:
    """Tell whether an interval is shown as a value and the wider half of it."""
    a, b = number(low), number(high)
    return any(
        abs(max(f * value - a, b - f * value) - f * half) <= 3 * room(low)
        for value, half in halves
        for f in (1, 100)
    )


def unshown_numbers(page: Path) -> list[str]:
    """List the recorded numbers in a page's prose that nothing on the page shows.

    What shows them: outputs, tables and what figures say. A link to another page may show it, too.
    An interval may be shown by its value and its wider half, as many a table does.
    """
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    texts = []
    for output in soup.select(".cell_output, table"):
        texts += [output.get_text(" "), *(image["alt"] for image in output.select("[alt]"))]
        for image in output.select('img[src$=".svg"]'):  # its texts are paths, named in comments
            texts += re.findall("<!--(.*?)-->", (page.parent / image["src"]).read_text("utf-8"))
    shown = {number(found) for text in texts for found in NUMBER.findall(text)}
    halves = {tuple(map(number, found)) for text in texts for found in HALVED.findall(text)}
    for pasted in soup.select(".pasted-text"):
        pasted.string = f"⟦{pasted.get_text()}⟧"
    missing = []
    for block in soup.select("p, li, figcaption"):
        inner = block.find(["p", "li", "table"]) or block.find_parent("table")
        links = [link["href"] for link in block.select("a[href]")]
        if inner or any(not link.startswith("#") for link in links):
            continue
        text = block.get_text()
        for low, high in RECORDED_INTERVAL.findall(text):
            if is_half_shown(low, high, halves):
                text = text.replace(f"⟦{low}⟧", "").replace(f"⟦{high}⟧", "")
        told = RECORDED.findall(text)
        missing += [f"{told} in: {text}" for told in told if not is_shown(told, shown)]
    return missing


def test_chapters_show_what_their_prose_says(built_site: Path) -> None:
    missing = {page.stem: unshown_numbers(page) for page in sorted(built_site.glob("*.html"))}
    assert not {page: texts for page, texts in missing.items() if texts}


@pytest.mark.parametrize(
    ("said", "is_missing"),
    [
        ("is <b>0.71</b>.", False),
        ("is <b>71%</b>.", False),
        ("is <b>−0.7</b>.", False),
        ("is <b>0.72</b>.", True),
        ("is <b>8e−08</b>.", False),
        ("is <b>9e−08</b>.", True),
        ("is <b>0.710</b>.", True),
        ("is <b>0.30</b> (<b>−0.15</b> to <b>0.75</b>).", False),
        ("is <b>0.30</b> (<b>−0.10</b> to <b>0.75</b>).", False),
        ("is <b>0.30</b> (<b>−0.30</b> to <b>0.75</b>).", True),
        ("is <b>0.30</b> (<b>−0.10</b> to <b>0.65</b>).", True),
        ("goes from <b>0.71</b> to <b>1,072</b>.", False),
        ("is <b>0.6</b>, <a href='other.html'>there</a>.", False),
        ("is <b>0.6</b>, <a href='#here'>here</a>.", True),
        ("is <b>1,072</b> of <b>5573</b>.", False),
    ],
)
def test_what_a_page_shows(said: str, is_missing: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = said.replace("<b>", "<span class='pasted-text'>").replace("</b>", "</span>")
    output = "<div class='cell_output'>gap 0.7149, 1072 of 5,573; +0.30 ± 0.45; 7.6e-08</div>"
    page.write_text(f"<p>It {said}</p>{output}", encoding="utf-8")
    assert bool(unshown_numbers(page)) == is_missing


def test_each_captioned_figure_is_a_picture(built_site: Path) -> None:
    bare = []
    for page in pages(built_site):
        soup = BeautifulSoup((built_site / page).read_text("utf-8"), "html.parser")
        for figure in soup.select("figure.gap-captioned:not(.gap-table)"):
            if not figure.select_one("img, svg, canvas"):
                bare.append((page, figure.get("id")))
    assert not bare


def test_pages_mention_no_third_party_file(built_site: Path) -> None:
    for path in built_site.rglob("*.html"):
        assert not OUTSIDE.search(path.read_text("utf-8")), f"{path} loads a file from another site"
    for path in built_site.rglob("*.css"):
        assert not OUTSIDE_STYLE.search(path.read_text("utf-8")), path


def test_nothing_overflows(built_site: Path, browser: Browser, base: str) -> None:
    for width, scheme in ((1280, "dark"), (360, "dark"), (390, "light")):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        for name in pages(built_site):
            page.goto(f"{base}/{name}")
            read(page)
            assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than {width} pixels"
            assert page.evaluate("document.documentElement.dataset.theme") == scheme, name
        context.close()


def test_formulas_fit_a_phone(built_site: Path, browser: Browser, base: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    seen = 0
    for name in pages(built_site):
        page.goto(f"{base}/{name}")
        seen += read(page)["math"]
        wide = page.evaluate(
            """() => [...document.querySelectorAll("div.math mjx-container")]
            .filter((box) => box.scrollWidth > box.clientWidth + 1)
            .map((box) => box.textContent)"""
        )
        assert not wide, f"{name}: formulas that are cut on a phone"
    page.close()
    assert seen


def test_controls_stay_within_their_figures_on_a_phone(
    built_site: Path, browser: Browser, base: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    seen = 0
    for name in pages(built_site):
        if "gap-live" not in (built_site / name).read_text("utf-8"):
            continue
        page.goto(f"{base}/{name}")
        for figure in page.locator(".gap-live").all():
            figure.scroll_into_view_if_needed()
            right = figure.evaluate("box => box.getBoundingClientRect().right")
            for control in figure.locator("select, button, input").locator("visible=true").all():
                edge = control.evaluate("box => box.getBoundingClientRect().right")
                assert edge <= right, f"{name}: {control.evaluate('box => box.outerHTML')}"
                seen += 1
    context.close()
    assert seen


def luminance(page: Page, query: str, which: str) -> float:
    rgb = page.evaluate(f"getComputedStyle(document.querySelector({query!r})).{which}")
    return sum(map(float, re.findall(r"[\d.]+", rgb)[:3])) / 3


def test_the_toggle_switches_to_dark(base: str, page: Page) -> None:
    page.goto(f"{base}/01_modality_gap.html")
    assert luminance(page, "body", "backgroundColor") > 200
    # auto, light, dark, in an order that is the theme's own
    for _ in range(3):
        if page.evaluate("document.documentElement.dataset.theme") != "dark":
            page.locator("button.theme-switch-button").locator("visible=true").first.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert luminance(page, "body", "backgroundColor") < 60
    assert luminance(page, ".gap-explore", "color") > 180
    assert luminance(page, ".gap-frames output", "color") > 180


def shown(page: Page) -> str | None:
    """Return the alt text of the one visible frame of the first slider."""
    visible = page.locator(".gap-frames").first.locator("img").locator("visible=true")
    expect(visible).to_have_count(1)
    return visible.get_attribute("alt")


def test_sliders_move(base: str, page: Page) -> None:
    page.goto(f"{base}/01_modality_gap.html")
    slider = page.locator(".gap-frames input").first
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("Home")
    first = shown(page)
    reading = slider.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    second = shown(page)
    assert second != first and slider.get_attribute("aria-valuetext") != reading
    expect(slider.locator("xpath=following-sibling::output")).to_have_text(
        slider.get_attribute("aria-valuetext") or ""
    )
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert shown(page) not in (first, second)
    assert slider.input_value() == slider.get_attribute("max")


def test_sliders_play_unless_motion_is_unwelcome(base: str, page: Page) -> None:
    page.goto(f"{base}/01_modality_gap.html")
    before = shown(page)
    play = page.locator(".gap-play").first
    play.click()
    expect(play).to_have_text("Pause")
    page.wait_for_timeout(600)
    play.click()
    assert shown(page) != before
    page.emulate_media(reduced_motion="reduce")
    expect(play).to_be_hidden()


def test_frames_show_without_script(browser: Browser, base: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/01_modality_gap.html")
    assert shown(page)
    expect(page.locator(".gap-controls").first).to_be_hidden()
    context.close()


def test_points_answer_pointer_and_keyboard(base: str, page: Page) -> None:
    page.goto(f"{base}/01_modality_gap.html")
    figure = page.locator(".gap-explore").first
    plot = figure.locator(".gap-plot")
    readout = figure.locator("[aria-live]")
    plot.scroll_into_view_if_needed()
    box = plot.locator("svg").bounding_box()
    view = plot.locator("svg").get_attribute("viewBox")
    points = list(map(int, (figure.get_attribute("data-points") or "").split()))
    captions = (figure.get_attribute("data-captions") or "").split("|")
    assert box and view and len(points) == 4 * len(captions)
    scale = box["width"] / float(view.split()[2])
    page.mouse.move(box["x"] + points[0] * scale, box["y"] + points[1] * scale)
    expect(figure).to_have_attribute("data-active", re.compile(r"\d+"))
    assert captions[int(figure.get_attribute("data-active") or -1)] in readout.inner_text()
    expect(figure.locator(".gap-image")).to_be_visible()
    plot.focus()
    walked = []
    for key in ("Home", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "End"):
        page.keyboard.press(key)
        walked.append(readout.inner_text())
    first, second, partner, back, again, last = walked
    assert first != second and first == again and second == back and last not in walked[:5]
    assert partner != second and partner.splitlines()[0] == second.splitlines()[0]
    # one stop for Tab
    assert plot.locator("[tabindex='0']").count() == 0


def test_views_switch_and_keep_the_pair(base: str, page: Page) -> None:
    page.goto(f"{base}/01_modality_gap.html")
    figure = page.locator(".gap-explore").first
    figure.locator(".gap-plot").focus()
    page.keyboard.press("Home")
    readout = figure.locator(".gap-readout")
    before = readout.inner_text()
    places = figure.get_attribute("data-points")
    expect(figure.locator(".gap-nearest li")).to_have_count(5)
    figure.locator("select").first.select_option(index=1)
    assert figure.get_attribute("data-points") != places
    assert readout.inner_text() != before
    assert readout.inner_text().splitlines()[0] == before.splitlines()[0]


def test_the_introduction_moves_with_temperature_and_epoch(base: str, page: Page) -> None:
    page.goto(f"{base}/intro.html")
    figure = page.locator(".gap-explore").first
    note = figure.locator(".gap-note")
    notes = {note.inner_text()}
    for name in ("temperature", "epoch"):
        figure.get_by_role("slider", name=name).focus()
        page.keyboard.press("Home")
        notes.add(note.inner_text())
    assert len(notes) == 3


def test_touch_selects_a_point(browser: Browser, base: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{base}/01_modality_gap.html")
    figure = page.locator(".gap-explore").first
    svg = figure.locator(".gap-plot svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    points = list(map(int, (figure.get_attribute("data-points") or "").split()))
    assert box
    scale = box["width"] / 640
    svg.tap(position={"x": points[0] * scale, "y": points[1] * scale})
    expect(figure).to_have_attribute("data-active", re.compile(r"\d+"))
    context.close()


def test_search_finds_a_word(base: str, page: Page) -> None:
    page.goto(f"{base}/search.html?q=retrieval")
    results = page.locator("#search-results li a", has_text=re.compile("gap", re.IGNORECASE))
    expect(results.first).to_be_visible()


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("vector database", "08_mitigation.html#what-to-do-by-symptom"),
        ("threshold", "09_your_model.html#"),
        ("anisotropy", "appendix/glossary.html#term-anisotropy"),
        ("modality gap definition", "appendix/glossary.html#term-modality-gap"),
        ("modality gap", "appendix/glossary.html#term-modality-gap"),
        ("Procrustes", r"0\d_\w+.html|appendix/glossary.html"),
        ("glyphs", r"0\d_\w+.html|appendix/glossary.html"),
    ],
)
def test_search_finds_the_right_section_first(
    base: str, page: Page, query: str, place: str
) -> None:
    page.goto(f"{base}/search.html?q={query}")
    first = page.locator("#search-results li a").first
    expect(first).to_have_attribute("href", re.compile(place))


def test_search_does_not_find_code(base: str, page: Page) -> None:
    page.goto(f"{base}/search.html?q=linspace")
    expect(page.locator(".search-summary")).to_contain_text("did not match")


def test_every_notebook_can_be_downloaded(built_site: Path, base: str, page: Page) -> None:
    for name in pages(built_site):
        page.goto(f"{base}/{name}")
        links = page.locator("a[href$='.ipynb']").evaluate_all("all => all.map((a) => a.href)")
        is_notebook = (built_site / "_sources" / name).with_suffix(".ipynb").exists()
        assert bool(links) >= is_notebook, f"{name}: no link to its notebook"
        assert all(page.request.get(link).ok for link in links), links


def test_site_works_from_a_disk(built_site: Path, browser: Browser) -> None:
    context = browser.new_context()
    trouble = watch(context, built_site.as_uri())
    page = context.new_page()
    for name in ["index.html", *pages(built_site)]:
        page.goto((built_site / name).as_uri())
        if name == "index.html":
            # sends the reader on to the first page
            page.wait_for_url("**/intro.html")
        seen = read(page)
        assert not seen["broken"] and seen["typeset"] == seen["math"], f"{name}: {seen}"
    page.goto((built_site / "01_modality_gap.html").as_uri())
    before = shown(page)
    page.locator(".gap-frames input").first.press("ArrowRight")
    assert shown(page) != before
    context.close()
    assert not trouble


def test_each_work_of_the_bibliography_links_back_to_where_it_is_cited(built_site: Path) -> None:
    page = (built_site / "appendix" / "bibliography.html").read_text()
    links = re.findall(r'class="cited-in">(.*?)</p>', page)
    assert 0 < len(links) == page.count('role="doc-biblioentry"')
    for target in re.findall(r'href="([^"]+)"', " ".join(links)):
        path, _, anchor = target.partition("#")
        assert f'id="{anchor}"' in (built_site / "appendix" / path).read_text(), target

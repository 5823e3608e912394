"""Figures that compute in the page: their mathematics is that of the package, and they answer."""

import json
import math
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from scipy import stats

from gapbook.cone.theory import predicted_gap
from gapbook.glyphs import render
from gapbook.interactive import cone_figure, cone_triangle, free_vectors, softmax_matrix
from gapbook.interactive.markup import asset
from gapbook.simulation.free_vectors import FreePairs, GradientFlow, draw_cones, partner_shares

N = 8


@pytest.fixture(scope="module")
def pairs() -> dict:
    rows = np.random.default_rng(0).normal(size=(N, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {
        "x": rows,
        "y": rows[:, ::-1],
        "names": [f"LETTER {chr(65 + i)}" for i in range(N)],
        "images": np.stack([render(chr(65 + i)) for i in range(N)]),
    }


@pytest.fixture(scope="module")
def markups(pairs) -> dict[str, str]:
    return {
        "cone": cone_figure().markup,
        "triangle": cone_triangle().markup,
        "softmax": softmax_matrix(**pairs).markup,
        "free": free_vectors().markup,
    }


@pytest.fixture
def page(browser, markups, tmp_path):
    """A page of all four figures, which must raise no error."""
    body = "".join(markups.values())
    path = tmp_path / "page.html"
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><main>{body}</main>')
    context = browser.new_context(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not errors


@pytest.fixture(scope="module")
def compute(browser):
    """Function that evaluates an expression of the script's mathematics, with an argument."""
    page = browser.new_page()
    page.set_content(asset("math.js"))
    yield lambda expression, argument: page.evaluate(f"(a) => {expression}", argument)
    page.close()


@pytest.mark.parametrize(("c", "d"), [(0.56, 64), (0.2, 5), (0.9, 512)])
def test_cosines_in_a_cone_have_the_density_of_random_directions(compute, c, d) -> None:
    cosines = np.linspace(2 * c - 1, 1, 41)[1:-1]
    shown = compute("a.cosines.map((x) => gapMath.coneDensity(x, a.c, a.d))", {
        "cosines": cosines.tolist(), "c": c, "d": d,
    })  # fmt: skip
    t = (cosines - c) / (1 - c)
    # the first coordinate of a random direction in d - 1 dimensions
    expected = stats.beta.pdf((t + 1) / 2, (d - 2) / 2, (d - 2) / 2) / 2 / (1 - c)
    np.testing.assert_allclose(shown, expected, rtol=1e-6, atol=1e-12)


def test_the_spread_of_cosines_is_that_of_drawn_vectors(compute) -> None:
    c, d = 0.56, 32
    x, _ = draw_cones(c, 0, 400, d, [0])
    cosines = (x[0] @ x[0].T).numpy()[np.triu_indices(400, 1)]
    assert compute("gapMath.coneSd(a[0], a[1])", [c, d]) == pytest.approx(cosines.std(), rel=0.03)
    assert cosines.mean() == pytest.approx(c, abs=0.01)


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 0.3, 1.0])
def test_the_gap_of_two_cones_is_that_of_the_package(compute, cosine) -> None:
    shown = compute("gapMath.gapOfCones(...a)", [0.6, 0.4, cosine])
    assert shown == pytest.approx(predicted_gap(0.6, 0.4, cosine), abs=1e-12)


def test_probabilities_are_those_of_a_softmax_and_know_no_shift(compute) -> None:
    cosines = [0.31, 0.3, -0.2]
    shown = compute("gapMath.softmax(a, 0.01)", cosines)
    expected = torch.softmax(torch.tensor(cosines, dtype=torch.float64) / 0.01, 0)
    np.testing.assert_allclose(shown, expected, rtol=1e-9)
    shifted = compute("gapMath.softmax(a.map((v) => v + 0.3), 0.01)", cosines)
    np.testing.assert_allclose(shifted, shown, rtol=1e-9)


@pytest.mark.parametrize(("tau", "mismatched"), [(0.01, 0.0), (0.1, 0.1), (1.0, 0.3)])
def test_free_vectors_move_as_in_the_simulation(compute, tau, mismatched) -> None:
    x, y = draw_cones(0.8, 90, 12, 3, [0])
    pairs = FreePairs(x.clone(), y.clone(), tau)
    target = partner_shares(12, mismatched)
    slope = pairs.slope(target, 0.0)
    start = {"x": x[0].tolist(), "y": y[0].tolist(), "tau": tau, "share": mismatched}
    shown = compute("gapMath.slope(a.x, a.y, a.tau, a.share)", start)
    assert shown["loss"] == pytest.approx(float(slope.loss), rel=1e-9)
    assert shown["curvature"] == pytest.approx(float(slope.curvature), rel=1e-9)
    np.testing.assert_allclose(shown["x"], slope.x[0], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(shown["y"], slope.y[0], rtol=1e-7, atol=1e-10)
    flow = GradientFlow()
    for _ in range(50):
        flow(pairs, pairs.slope(target, 0.0))
    moved = compute(
        """(() => {
          let s = a;
          for (let i = 0; i < 50; i += 1) s = gapMath.step(s.x, s.y, a.tau, a.share);
          return { ...s, gap: gapMath.gap(s.x, s.y) };
        })()""",
        start,
    )
    np.testing.assert_allclose(moved["x"], pairs.x[0], atol=1e-7)
    gap = torch.linalg.vector_norm(pairs.x.mean(1) - pairs.y.mean(1))
    assert moved["gap"] == pytest.approx(float(gap), abs=1e-7)


def test_scripts_and_controls_stay_under_15_kb_a_figure(markups) -> None:
    for name, markup in markups.items():
        # all but what is drawn from: pictures, glyphs, and where vectors start
        light = re.sub(r"data:image/[^\"')]+|data-starts=\"[^\"]+\"", "", markup)
        assert len(light) < 15_000, name


def test_markup_names_no_id_and_no_other_site(markups) -> None:
    for markup in markups.values():
        assert not re.search(r'\sid="|https?://', re.sub(r"data:image/[^\"')]+", "", markup))


def test_without_a_script_a_picture_states_the_finding(markups, browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for kind, markup in markups.items():
        page.set_content(markup)
        image = page.locator(".gap-fallback img")
        expect(image).to_be_visible()
        assert re.search(r"\d", image.get_attribute("alt")), kind
        expect(page.locator(".gap-controls")).to_be_hidden()
    context.close()


def move(page, kind: str, name: str, value: float) -> str:
    """Set a slider, and return what the figure says then."""
    control = page.locator(f".gap-{kind} [name={name}]")
    control.fill(str(value))
    return page.locator(f".gap-{kind} .gap-readout").inner_text()


def test_the_cone_answers_its_sliders(page) -> None:
    assert "two are 60° apart" in move(page, "cone", "cosine", 0.5)
    assert "in 1000 dimensions their cosines spread by 0.02" in move(page, "cone", "dimension", 3)
    expect(page.locator(".gap-cone .gap-fallback")).to_be_hidden()


def test_the_triangle_answers_its_sliders_and_the_keyboard(page) -> None:
    move(page, "triangle", "a", 0.5)
    move(page, "triangle", "b", 0.5)
    assert "so the gap is 1.00" in move(page, "triangle", "angle", 90)
    page.locator(".gap-triangle [name=angle]").press("Home")
    readout = page.locator(".gap-triangle .gap-readout")
    expect(readout).to_contain_text("so the gap is 0.00")


def test_the_matrix_shows_the_glyphs_of_the_readers_choice(page, pairs) -> None:
    figure = page.locator(".gap-softmax")
    expect(figure.locator("li").first).to_have_text("LETTER A")
    figure.locator(".gap-choices button").nth(7).click()
    # the oldest choice makes room
    names = figure.locator("li").all_inner_texts()
    assert names == ["LETTER H", *pairs["names"][1:6]]
    before = figure.locator("td").first.inner_text().split("%")[0]
    figure.get_by_role("checkbox").check()
    expect(figure.locator(".gap-readout")).to_contain_text("changes no probability")
    assert figure.locator("td").first.inner_text().split("%")[0] == before
    hot = move(page, "softmax", "tau", 0)
    assert hot.startswith("At temperature 1 an image")


def test_free_vectors_go_on_by_a_button_where_motion_is_unwelcome(page) -> None:
    figure = page.locator(".gap-free")
    readout = figure.locator(".gap-readout")
    expect(figure.get_by_role("button", name="Run")).to_be_hidden()
    expect(readout).to_contain_text("Step 0: the gap is 1.26")
    step = figure.get_by_role("button", name="Step")
    for _ in range(8):
        step.press("Enter")
    expect(readout).to_contain_text("Step 350:")
    gap = float(re.findall(r"gap is ([\d.]+)", readout.inner_text())[0])
    assert gap < 0.7
    figure.get_by_label("start").select_option("one cone")
    expect(readout).to_contain_text("Step 0: the gap is 0.20")


def test_free_vectors_run_and_pause(browser, markups) -> None:
    page = browser.new_page()
    page.set_content(markups["free"])
    figure = page.locator(".gap-free")
    figure.get_by_role("button", name="Run").click()
    readout = figure.locator(".gap-readout")
    expect(readout).to_contain_text(re.compile(r"Step [1-9]\d"))
    figure.get_by_role("button", name="Pause").click()
    still = readout.inner_text()
    page.wait_for_timeout(200)
    assert readout.inner_text() == still
    page.close()


def test_nothing_is_wider_than_a_phone(page) -> None:
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    sizes = page.evaluate(
        """[...document.querySelectorAll(".gap-live svg text, .gap-live td, .gap-live small")]
        .map((e) => {
          const svg = e.ownerSVGElement;
          const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
          return parseFloat(getComputedStyle(e).fontSize) * scale;
        })"""
    )
    assert min(sizes) >= 9


def test_two_figures_of_a_kind_are_two(browser) -> None:
    page = browser.new_page()
    page.set_content(cone_triangle(0.5, 0.5, 90).markup + cone_triangle(0.5, 0.5, 0).markup)
    texts = page.locator(".gap-readout").all_inner_texts()
    assert ["so the gap is 1.00" in texts[0], "so the gap is 0.00" in texts[1]] == [True, True]
    page.close()


@pytest.mark.parametrize("left_out", ["x", "names", "images"])
def test_too_few_pairs_are_refused(pairs, left_out) -> None:
    few = pairs | {left_out: pairs[left_out][:5]}
    with pytest.raises(ValueError, match="Expected at least 6 pairs with a name and an image each"):
        softmax_matrix(**few)


def test_values_survive_the_markup(pairs, markups) -> None:
    text = re.findall(r'data-values="([^"]+)"', markups["softmax"])[0].replace("&quot;", '"')
    values = json.loads(text)
    np.testing.assert_allclose(values["cosines"], pairs["x"] @ pairs["y"].T, atol=5e-4)
    assert math.isfinite(sum(map(sum, values["cosines"])))


@pytest.mark.parametrize("degrees", [0, 60, 90, 180])
def test_labels_of_the_triangle_lie_inside_of_it(page, degrees) -> None:
    figure = page.locator(".gap-triangle")
    figure.get_by_label("angle of the means").fill(str(degrees))
    cut = figure.evaluate(
        """figure => {
          const svg = figure.querySelector("svg"), {x, y, width, height} = svg.viewBox.baseVal;
          return [...svg.querySelectorAll("text")].filter((text) => {
            const box = text.getBBox();
            return box.x < x || box.y < y || box.x + box.width > x + width;
          }).map((text) => text.textContent);
        }"""
    )
    assert cut == []

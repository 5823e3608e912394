"""Sliders with a kernel: which control suits which values, and that moving it draws anew.

tests/book/test_live.py moves one in JupyterLab.
"""

import re

import ipywidgets
import pytest
from matplotlib.figure import Figure

from gapbook.interactive.live import LiveSlider, control, is_live
from gapbook.interactive.sliders import slider
from gapbook.plots.pages import STATIC


def draw(*point: float) -> Figure:
    figure = Figure((2, 1))
    figure.text(0.5, 0.5, str(point))
    return figure


def alt(*point: float) -> str:
    return f"At {', '.join(f'{each:.4g}' for each in point)}"


def live(values, label, **options) -> tuple[LiveSlider, list]:
    made = slider(draw, values, label, alt=alt, live=True, **options)
    assert isinstance(made, LiveSlider)
    return made, list(made.widget.children[1].children)


def picture(made: LiveSlider) -> str:
    return made.widget.children[0].value


@pytest.mark.parametrize(
    ("values", "kind", "low", "high"),
    [
        ([0, 5, 10], ipywidgets.IntSlider, 0, 10),
        ([-1, 0.5, 2], ipywidgets.FloatSlider, -1, 2),
        ([0.01, 0.1, 1.0], ipywidgets.FloatLogSlider, -2, 0),
        ([1, 10, 100], ipywidgets.FloatLogSlider, 0, 2),
    ],
)
def test_numbers_get_a_control_of_all_between(values, kind, low, high) -> None:
    made = control(values, "m", values[1], continuous=True)
    assert type(made) is kind
    assert (made.min, made.max) == pytest.approx((low, high))
    assert made.value == values[1]
    assert made.description == "m"


@pytest.mark.parametrize("values", [["a", "b"], [True, False], [1, None]])
def test_what_is_no_number_gets_a_control_of_just_these(values) -> None:
    made = control(values, "m", values[1], continuous=True)
    assert type(made) is ipywidgets.SelectionSlider
    assert [value for _, value in made.options] == values
    assert made.index == 1


def test_numbers_that_are_looked_up_get_a_control_of_just_these() -> None:
    made, (first, play) = live([0, 5, 10], "epoch", start=2)
    assert type(first) is ipywidgets.SelectionSlider
    assert 'alt="At 10"' in picture(made)
    play.value = 1
    assert first.value == 5
    assert 'alt="At 5"' in picture(made)


def test_a_move_draws_the_figure_between_two_frames() -> None:
    made, (tau, _) = live([0.01, 0.1, 1.0], "temperature", continuous=True)
    before = picture(made)
    tau.value = 0.0316
    after = picture(made)
    assert 'alt="At 0.0316"' in after
    assert re.findall(r"base64,([^\"]+)", before) != re.findall(r"base64,([^\"]+)", after)
    assert after.count("<img") == 1


def test_two_sliders_move_one_figure() -> None:
    made, (first, second) = live(([1, 2], [0.5, 1]), ("n", "size"), continuous=True, start=(1, 0))
    assert 'alt="At 2, 0.5"' in picture(made)
    second.value = 0.7
    first.value = 1
    assert 'alt="At 1, 0.7"' in picture(made)


def test_an_error_in_a_frame_is_shown() -> None:
    def fails(value: int) -> Figure:
        return {0: Figure((1, 1))}[value]

    made = slider(fails, [0, 7], "n", alt=alt, live=True)
    made.widget.children[1].children[0].index = 1
    assert picture(made) == '<p role="alert">KeyError: 7</p>'


def test_a_notebook_gets_the_widget_and_no_second_figure() -> None:
    made, _ = live([0, 5], "n")
    assert made._repr_html_() is None
    bundle = made._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "text/html" not in bundle


def test_without_a_kernel_or_for_a_page_there_are_frames(monkeypatch) -> None:
    assert not is_live()
    assert slider(draw, [0, 5], "n", alt=alt).markup.count("<img") == 2
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()}))
    monkeypatch.delenv(STATIC, raising=False)
    assert is_live()
    monkeypatch.setenv(STATIC, "1")
    assert not is_live()

import math
from pathlib import Path

import pytest

from gapbook.cone.networks import BIASES, STEPS
from gapbook.press import (
    PressError,
    paper_curve,
    paper_curves,
    paper_fact,
    paper_facts,
    paper_value,
)
from gapbook.published import registry

BOOK = Path(__file__).parents[2] / "book"
EVIDENCE = {
    "notebook_output",
    "figure_text",
    "paper_text",
    "paper_table",
    "code",
    "code_literal",
    "code_comment",
    "digitized_from_png",
    "read_from_figure",
}


def test_all_have_provenance():
    for entry in [*paper_facts().values(), *paper_curves().values()]:
        assert entry.source and entry.figure and entry.evidence in EVIDENCE, entry.id


def test_how_a_fact_is_judged_is_complete():
    chapters = {path.name[:2] for path in BOOK.glob("[0-9]*.ipynb")}
    for fact in paper_facts().values():
        assert (fact.tolerance is None) == (fact.why == ""), fact.id
        assert (fact.corrected is None) == (fact.erratum == ""), fact.id
        if fact.context:
            assert fact.chapter == "", fact.id
        else:
            assert fact.chapter in chapters, fact.id


def test_what_a_fact_needs_is_in_the_registry_or_described():
    for fact in paper_facts().values():
        assert " " in fact.needs or fact.needs in {"", *registry()}, fact.id


def test_curves_have_as_many_x_as_y():
    for curve in paper_curves().values():
        assert len(curve.x) == len(curve.y), curve.id
        assert curve.delta is None or len(curve.delta) == len(curve.x), curve.id


def test_curves_of_figure_2b_belong_to_networks_of_ours():
    for key, curve in paper_curves().items():
        if key.startswith("curve.fig2b."):
            assert curve.network in STEPS and curve.bias in BIASES, key
            # the other networks that are called bias-free in the paper do have biases
            assert curve.bias != "none" or curve.network == "linear", key


def test_costs_are_context():
    for key, fact in paper_facts().items():
        assert fact.context or not key.startswith("cost."), key


def test_values_are_those_of_the_paper():
    assert paper_value("fig3.gap_default") == 0.8221026
    assert paper_value("table2.delta_0.0.White.counts") == [324, 4, 328, 2085]
    assert paper_curve("curve.fig3.landscape.tau_1_100").delta[0] == 4.75


def test_the_errata_are_proven():
    angle = math.acos(0.56)
    assert paper_fact("paper.cone.3d_fraction").corrected == round((1 - math.cos(angle / 2)) / 2, 5)
    drop = paper_value("table2.delta_0.0.accuracy") - paper_value("table2.delta_-0.2.accuracy")
    assert paper_fact("table2.paper.accuracy_drop").corrected == round(drop, 4)
    before, after = (
        paper_value(f"table2.delta_{delta}.East_Asian.counts") for delta in ("0.0", "-0.2")
    )
    shares = [[round(100 * count / row[3], 1) for count in row[:3]] for row in (before, after)]
    assert paper_fact("table2.paper.East_Asian").corrected == shares
    assert paper_fact("sphere.spacing.paper").corrected == paper_value("sphere.spacing.code")


@pytest.mark.parametrize(
    ("look_up", "key", "words"),
    [
        (paper_value, "fig3.gap_defualt", "did you mean 'fig3.gap_default'"),
        (paper_fact, "zzz", "no fact 'zzz'; there are"),
        (paper_curve, "curve.fig2b.bias_c6.Sigmoi", "did you mean 'curve.fig2b.bias_c6.Sigmoid'"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(look_up, key, words):
    with pytest.raises(PressError, match=words):
        look_up(key)

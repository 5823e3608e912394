import math
import re
from collections import Counter

import pytest

from gapbook.cone.networks import BIASES, STEPS
from gapbook.press import PressError, paper_curve, paper_fact, paper_value
from gapbook.press.paper import paper_curves, paper_facts
from gapbook.published import registry

CURVES = paper_curves()
EVIDENCE = {
    "notebook_output",
    "figure_text",
    "paper_text",
    "paper_table",
    "code",
    "code_literal",
    "code_comment",
}
EVIDENCE |= {"digitized_from_png", "read_from_figure"}


def test_every_fact_and_curve_is_there():
    assert (len(paper_facts()), len(CURVES)) == (281, 23)


def test_all_have_provenance():
    for entry in [*paper_facts().values(), *CURVES.values()]:
        assert entry.source and entry.figure and entry.evidence in EVIDENCE, entry.id


def test_how_a_fact_is_judged_is_complete():
    for fact in paper_facts().values():
        assert (fact.tolerance is None) == (fact.why == ""), fact.id
        assert (fact.corrected is None) == (fact.erratum == ""), fact.id
        assert bool(fact.chapter) != bool(fact.context), fact.id
        assert fact.chapter in ("", "01", "02", "03", "04", "05", "06"), fact.id


def test_named_sources_are_in_the_registry():
    sources = {
        fact.needs for fact in paper_facts().values() if re.fullmatch(r"[a-z-]+", fact.needs)
    }
    assert sources == {"clip-coco-random", "clasp-uniprot"} and sources <= set(registry())


def test_curves_have_as_many_x_as_y():
    for curve in CURVES.values():
        assert len(curve.x) == len(curve.y) == len(getattr(curve, "delta", curve.x)), curve.id


def test_curves_of_figure_2b_belong_to_networks_of_ours():
    curves = {key: curve for key, curve in CURVES.items() if key.startswith("curve.fig2b.")}
    assert Counter(curve.bias for curve in curves.values()) == {
        "normal": 5,
        "uniform": 9,
        "none": 3,
    }
    assert all(curve.network in STEPS and curve.bias in BIASES for curve in curves.values())
    assert {curve.network for curve in curves.values() if curve.bias == "none"} == {
        "linear"
    }  # the erratum of no_bias


def test_costs_and_settings_are_context():
    context = Counter(fact.id.split(".")[0] for fact in paper_facts().values() if fact.context)
    assert context["cost"] == 9 and context["fig3"] == 2
    assert not [
        key for key in paper_facts() if key.startswith("cost.") and not paper_fact(key).context
    ]


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
    assert sum(bool(fact.erratum) for fact in paper_facts().values()) == 4


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

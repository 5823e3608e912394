"""One name and one color for one thing."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gapbook.plots import labels
from gapbook.published import registry


def test_every_source_of_embeddings_has_a_name_and_a_color() -> None:
    paired = {name: entry for name, entry in registry().items() if "modalities" in entry}
    # Pairs of the four modalities are named by their sides, not as models.
    sources = {name for name in paired if not paired[name]["file"].startswith("modalities/")}
    assert len(sources) < len(paired)
    assert sources
    assert sources <= set(labels.MODELS)


def test_no_two_models_or_temperatures_share_a_name() -> None:
    names = [entry.name for entry in labels.MODELS.values()]
    assert len(set(names)) == len(names)
    assert not any("_" in name for name in names)


def test_temperatures_get_darker_as_they_fall() -> None:
    fixed = labels.TEMPERATURES[:-1]
    light = [np.dot(to_rgb(labels.look(tau).color), (0.2126, 0.7152, 0.0722)) for tau in fixed]
    assert (np.diff(light) < 0).all()
    assert light[0] < 0.75


def test_a_model_has_the_color_of_its_temperature() -> None:
    for tau, model in {"1/100": "glyphclip", "1/10": "glyphclip-t10"}.items():
        assert labels.look(tau).color == labels.look(model).color
    assert labels.look("learned").color == labels.look("glyphclip-learned").color


def test_temperatures_have_one_order() -> None:
    assert labels.ordered(["learned", "1/100", "1/10", "1"]) == ["1", "1/10", "1/100", "learned"]


def test_unknown_names_come_last_and_as_they_were() -> None:
    assert labels.ordered(["b", "a", "clip-coco"]) == ["clip-coco", "b", "a"]


def test_what_has_no_look_is_refused_or_gets_a_color_of_its_own() -> None:
    with pytest.raises(KeyError, match="got 'mine'"):
        labels.look("mine")
    colors = labels.colors_of(["clip-coco", "mine", "yours"])
    assert len(set(colors.values())) == 3
    with pytest.raises(ValueError, match="at most 3 to tell apart; got 4: a, b, c, d"):
        labels.colors_of("abcd")

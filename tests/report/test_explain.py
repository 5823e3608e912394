import numpy as np
import pandas as pd
import pytest

from gapbook.geometry.measures import MEASURES
from gapbook.report.explain import explain, label_of, measure_words, words_key

BANDS = {key: words["advice"] for key, words in measure_words().items() if "advice" in words}


def table_of(metric, value, low=np.nan):
    return pd.DataFrame({"metric": [metric], "value": [value], "low": [low]})


def metric_of(key):
    return next(metric for metric in MEASURES if words_key(metric) == key)


def test_every_measure_has_words_and_no_words_are_without_a_measure():
    assert {words_key(metric) for metric in MEASURES} == set(measure_words())


def test_a_report_is_explained_row_by_row_with_the_names_of_its_modalities(measured):
    explained = explain(measured.table, ("sound", "score"))
    assert explained["metric"].tolist() == measured.table["metric"].tolist()
    assert explained["label"].is_unique
    assert (explained["meaning"] != "").all()
    words = " ".join(explained[["label", "meaning", "advice"]].to_numpy().ravel())
    assert "{" not in words
    assert "image" not in words
    labels = explained.set_index("metric")["label"]
    assert labels["cosine_within_y"] == "Cosine within, score"
    assert labels["hubness_text_to_image"] == "Hubness, score to sound"


def test_a_measure_without_words_is_left_out_and_labeled_by_its_name():
    explained = explain(table_of("some_measure", 1.0))
    assert explained.empty
    assert label_of("some_measure", explained) == "some measure"


@pytest.mark.parametrize("key", BANDS)
def test_bands_of_advice_are_in_order(key):
    bands = BANDS[key]
    limits = [band["up_to"] for band in bands if "up_to" in band]
    assert limits == sorted(set(limits))
    assert all("up_to" in band for band in bands[:-1])
    assert all(band["text"] for band in bands)


@pytest.mark.parametrize("key", [key for key in BANDS if "low_of" not in measure_words()[key]])
def test_advice_holds_up_to_its_value_and_no_further(key):
    metric = metric_of(key)
    bands = BANDS[key]
    for i, band in enumerate(bands):
        limit = band.get("up_to", 1e6)
        at_limit = explain(table_of(metric, limit)).loc[0, "advice"]
        assert begins_alike(at_limit, band["text"])
        if "up_to" in band:
            above = explain(table_of(metric, np.nextafter(limit, np.inf))).loc[0, "advice"]
            assert begins_alike(above, bands[i + 1]["text"])


def begins_alike(advice, text):
    """A text may have places to fill in: compare what is before the first."""
    return advice.startswith(text.partition("{")[0])


@pytest.mark.parametrize("key", [key for key in BANDS if "low_of" in measure_words()[key]])
def test_advice_on_differences_goes_by_the_lower_end_of_an_interval(key):
    low_of = measure_words()[key]["low_of"]
    none_shown = BANDS[key][0]["text"]
    for low, shown in ((0.0, False), (1e-9, True)):
        rows = {
            metric_of(key): {"value": 0.5, "low": 0.4},
            low_of: {"value": 0.2, "low": low},
        }
        table = pd.DataFrame(rows).T.rename_axis("metric").reset_index()
        advice = explain(table).set_index("metric")["advice"][metric_of(key)]
        assert (advice != none_shown) == shown


@pytest.mark.parametrize(
    ("n", "neighbors", "chance"), [(500, 10, "0.02"), (12, 6, "0.55"), (3, 1, "0.5")]
)
def test_words_name_the_neighbors_and_the_chance_of_this_many_pairs(n, neighbors, chance):
    """A report looks at min(10, n // 2) neighbors; unrelated modalities agree on k / (n - 1)."""
    metrics = ["n_pairs", "n_sampled", "hubness_image_to_text", "neighbor_agreement"]
    table = pd.DataFrame({"metric": metrics, "value": [9000, n, 0, 0]})
    meanings = explain(table).set_index("metric")["meaning"]
    assert f"the {neighbors} nearest" in meanings["hubness_image_to_text"]
    assert f"{neighbors} nearest" in meanings["neighbor_agreement"]
    assert f"{chance} is chance" in meanings["neighbor_agreement"]

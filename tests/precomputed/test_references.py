import numpy as np
import pytest

from gapbook.geometry.measures import MEASURES
from gapbook.precomputed.references import REFERENCE_MODELS, measure_references, references


def test_every_reference_model_has_every_measure():
    known = references()
    assert set(known["source"]) == set(REFERENCE_MODELS)
    for _, of_model in known.groupby("source"):
        assert of_model["metric"].tolist() == list(MEASURES)


@pytest.mark.parametrize("name", ["glyphclip-learned", "clip-coco"])
def test_reference_models_measure_what_the_package_says(name):
    kept = references().query("source == @name").reset_index(drop=True)
    measured = measure_references([name])
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(
            measured[column], kept[column], rtol=1e-4, atol=1e-5, err_msg=column
        )

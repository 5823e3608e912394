"""Corrections that leave the house: what comes back from a file, and which files are refused."""

import json
import re

import numpy as np
import pytest
from helpers import cones
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from gapbook.exceptions import PairsError
from gapbook.mitigation import (
    CSLS,
    Center,
    DotProducts,
    Mitigation,
    NearestNeighborNormalization,
    Noise,
    ProcrustesAlign,
    ProjectOut,
    QueryCenter,
    RotateTogether,
    ScoreScaling,
    ShiftAlongGap,
    Standardize,
    load_mitigation,
)
from gapbook.mitigation.saved import CLASSES, _digest
from gapbook.pairs import PairedEmbeddings

X, Y = cones()
MOVES = [
    Center(0.5),
    Standardize(),
    ShiftAlongGap(np.float64(0.2)),
    RotateTogether(),
    ProcrustesAlign(ridge=2),
    ProjectOut(np.int64(3), by="gap"),
    Noise(0.7, seed=3),
    NearestNeighborNormalization(k=3),
    DotProducts(Center()),
]
SCORES = [ScoreScaling("all"), QueryCenter(), CSLS(k=4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fix.safetensors"


@pytest.fixture
def saved(path):
    Center().fit(X, Y).save(path)
    return path


def rewrite(path, change, sign=True):
    """Change the header and the arrays of a file, with a digest that fits unless told not to."""
    with safe_open(path, "np") as file:
        head = json.loads(file.metadata()["gapbook"])
    arrays = load_file(path)
    change(head, arrays)
    if sign:
        head["digest"] = _digest(head, arrays)
    save_file(arrays, path, {"gapbook": json.dumps(head)})


@pytest.mark.parametrize("mitigation", MOVES, ids=repr)
def test_a_loaded_mitigation_gives_the_same_rows(mitigation: Mitigation, path) -> None:
    fitted = clone(mitigation).fit(X, Y)
    fitted.save(path)
    loaded = load_mitigation(path)
    np.testing.assert_array_equal(loaded.transform(X, Y), fitted.transform(X, Y))
    assert loaded.get_params(deep=False).keys() == fitted.get_params(deep=False).keys()
    assert repr(loaded) == re.sub(r"np\.\w+\((.*?)\)", r"\1", repr(fitted))
    assert loaded.n_pairs_ == 60
    assert vars(loaded).keys() == vars(fitted).keys()
    load_mitigation(path, PairedEmbeddings(X, Y))


def test_a_rotation_of_few_directions_comes_back(path) -> None:
    x, y = (np.pad(rows, ((0, 0), (0, 488))) for rows in (X, Y))
    fitted = ProcrustesAlign().fit(x, y)
    fitted.save(path)
    np.testing.assert_array_equal(load_mitigation(path).transform_y(y), fitted.transform_y(y))


@pytest.mark.parametrize("correction", SCORES, ids=repr)
def test_a_loaded_correction_of_scores_gives_the_same_rows(correction, path) -> None:
    fitted = clone(correction).fit(Y, {"image": X, "text": Y})
    fitted.save(path)
    loaded = load_mitigation(path)
    assert loaded.modalities_ == ("image", "text")
    assert vars(loaded).keys() == vars(fitted).keys()
    np.testing.assert_array_equal(loaded.queries(Y), fitted.queries(Y))
    for modality in loaded.modalities_:
        expected = fitted.documents(X, modality)
        np.testing.assert_array_equal(loaded.documents(X, modality), expected)


def test_every_class_that_can_be_loaded_is_tested() -> None:
    assert {type(fix).__name__ for fix in MOVES + SCORES} == set(CLASSES)


def test_the_file_holds_plain_arrays(saved) -> None:
    arrays = load_file(saved)
    assert sorted(arrays) == ["mean_x_", "mean_y_"]
    np.testing.assert_array_equal(arrays["mean_x_"], X.mean(0, dtype=float))


def test_only_what_is_fitted_and_known_is_saved(path) -> None:
    class Mine(Center):
        pass

    with pytest.raises(NotFittedError):
        Center().save(path)
    with pytest.raises(PairsError, match="Mine cannot be saved"):
        Mine().fit(X, Y).save(path)
    with pytest.raises(PairsError, match=r"ending in .safetensors; got fix.npz"):
        Center().fit(X, Y).save("fix.npz")
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head, _: head.update({"class": "os.system"}), "Expected a class of .*'os.system'"),
        (lambda head, _: head.update({"class": ["Center"]}), "Expected a class of "),
        (lambda head, _: head.update(format=2), "has version 2 of the format; .* reads version 1"),
        (lambda head, _: head.update(d=11), "does not fit 11 dimensions"),
        (lambda head, _: head.update(d="12"), "d as a positive integer"),
        (lambda head, _: head.update(pairs=0), "pairs as a positive integer"),
        (lambda head, _: head.update(parameters={"amount": 1, "b": 2}), "Expected the parameters"),
        (lambda head, _: head.update(parameters={"amount": [1]}), "a number or a word as amount"),
        (lambda head, _: head.update(modalities=7), "its modalities are no names"),
        (lambda _, arrays: arrays.pop("mean_x_"), "mean_x_ is missing"),
        (lambda _, arrays: arrays.update(more=np.zeros(2)), "'more' is no part of Center"),
        (lambda _, arrays: arrays.update(mean_x_=np.zeros((1, 12))), "has 2 axes and not 1"),
        (lambda _, arrays: arrays.update(mean_x_=np.full(12, np.nan)), "other than finite numbers"),
        (lambda _, arrays: arrays.update(mean_x_=np.zeros(12, int)), "other than finite numbers"),
    ],
)
def test_a_file_that_is_not_as_saved_is_one_sentence(saved, change, message: str) -> None:
    rewrite(saved, change)
    with pytest.raises(PairsError, match=message) as caught:
        load_mitigation(saved)
    assert str(saved) in str(caught.value)


def test_a_changed_number_is_noticed(saved) -> None:
    rewrite(saved, lambda _, arrays: arrays["mean_x_"].__setitem__(0, 0.5), sign=False)
    with pytest.raises(PairsError, match="was changed after it was saved"):
        load_mitigation(saved)


def test_files_of_other_kinds_are_named(path, tmp_path) -> None:
    with pytest.raises(PairsError, match=r"Expected a saved correction; .* does not exist"):
        load_mitigation(path)
    path.write_bytes(b"no such thing")
    with pytest.raises(PairsError, match="is damaged or no safetensors file"):
        load_mitigation(path)
    PairedEmbeddings(X, Y).save(path)
    with pytest.raises(PairsError, match="holds no correction"):
        load_mitigation(path)
    for text in ("[1]", "{", "[" * 100_000):
        save_file({"a": np.zeros(1)}, path, {"gapbook": text})
        with pytest.raises(PairsError, match="has a header that is damaged"):
            load_mitigation(path)


def test_a_cut_off_file_is_named(saved) -> None:
    saved.write_bytes(saved.read_bytes()[:-8])
    with pytest.raises(PairsError, match="is damaged or no safetensors file"):
        load_mitigation(saved)


def test_vectors_of_other_dimensions_and_other_pairs_are_refused(saved) -> None:
    with pytest.raises(PairsError, match="Expected x of 12 dimensions, as in fit; got 7"):
        load_mitigation(saved).transform_x(X[:, :7])
    with pytest.raises(PairsError, match="was fitted on other pairs"):
        load_mitigation(saved, PairedEmbeddings(Y, X))

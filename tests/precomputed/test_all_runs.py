"""All stored runs in one table."""

from gapbook.precomputed.all_runs import (
    COMPARABLE,
    CUT,
    EQUAL,
    KINDS,
    NO_NORMALIZATION,
    OTHER_MODALITIES,
    SIGMOID,
    SMALL_STEPS,
    TURNED,
    read_runs,
)
from gapbook.precomputed.training_curves import (
    CUTS,
    NOT_NORMALIZED,
    ROTATED,
    SLOW_TWINS,
    VARIANTS,
    is_sigmoid,
)


def test_every_variant_has_a_kind() -> None:
    assert {name for name in VARIANTS if not is_sigmoid(name)} == set(KINDS)


def test_runs_have_one_row_an_epoch_and_end_at_their_length() -> None:
    runs = read_runs()
    assert not runs.duplicated(["run", "epoch"]).any()
    last = runs.sort_values("epoch").groupby("run").last()
    assert (last["epoch"] == last["epochs"]).all()
    assert set(COMPARABLE) <= set(runs["kind"])
    assert (runs["variant"].map(is_sigmoid) == (runs["kind"] == SIGMOID)).all()


def test_ends_of_comparable_runs_have_a_loss_and_a_gap() -> None:
    last = read_runs().sort_values("epoch").groupby("run").last()
    last = last[last["kind"].isin(COMPARABLE)]
    assert (last[["loss", "tau", "gap"]] > 0).all().all()


def test_kinds_with_equal_sides_begin_without_a_gap() -> None:
    runs = read_runs()
    starts = runs.sort_values("epoch").groupby("run").first()
    equal = starts[starts["kind"].isin([EQUAL, SMALL_STEPS]) & (starts["variant"] != "shared")]
    assert (equal["gap"] < 0.2).all()
    assert (starts[starts["variant"] == "one modality"]["kind"] == OTHER_MODALITIES).all()


def test_variants_that_are_no_ordinary_runs_have_a_kind_of_their_own() -> None:
    runs = read_runs()
    variants = {kind: set(rows["variant"]) for kind, rows in runs.groupby("kind")}
    assert variants[EQUAL] == {"shared", "same seed"}
    assert variants[SMALL_STEPS] == set(SLOW_TWINS)
    assert variants[TURNED] == set(ROTATED)
    assert variants[CUT] == set(CUTS)
    assert variants[NO_NORMALIZATION] == {NOT_NORMALIZED}
    assert NO_NORMALIZATION not in COMPARABLE


def test_runs_without_a_gap_at_first_are_those_of_equal_sides_and_no_others() -> None:
    starts = read_runs().sort_values("epoch").groupby("run").first()
    assert set(starts.loc[starts["gap"] < 0.01, "kind"]) == {EQUAL, SMALL_STEPS}


def test_no_run_is_counted_twice_as_a_pair_of_modalities() -> None:
    assert "image-name" not in set(read_runs()["variant"])

"""The report and its intervals against each measure, and against redraws of a known population."""

import numpy as np
import pandas as pd
import pytest
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    alignment,
    cka,
    cosine_stats,
    effective_rank,
    gap_report,
    gap_share_by_dimension,
    hubness,
    intervals,
    isoscore,
    linear_separability,
    mmd,
    modality_gap,
    neighbor_agreement,
    relative_modality_gap,
    retrieval,
    uniformity,
)
from gapbook.pairs import PairedEmbeddings, unit_rows

UNITS = {
    "pairs",
    "dimensions",
    "distance",
    "squared distance",
    "cosine",
    "fraction",
    "skewness",
    "log potential",
}


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sample(n, d, shift=0.5, seed=0):
    """Draw pairs that share a part and differ by a shift, in dimensions of falling variance."""
    rng = np.random.default_rng(seed)
    shared, scale = rng.normal(size=(n, d)), np.arange(1, d + 1) ** -0.5
    x, y = (scale * (shared + rng.normal(size=(n, d))) for _ in range(2))
    return (x + shift).astype(np.float32), (y - shift / 2).astype(np.float32)


def report_of(x, y, **options):
    return gap_report(PairedEmbeddings(x, y), **options).set_index("metric")


def test_report_agrees_with_each_measure():
    x, y = sample(250, 16, shift=0.1)
    table = gap_report(PairedEmbeddings(x, y))
    assert list(table.columns) == ["metric", "value", "low", "high", "unit"]
    report = table.set_index("metric")
    cross = unit(x) @ unit(y).T
    recalls = retrieval(x, y).set_index(["direction", "k"])["recall"]
    expected = {
        "n_pairs": 250,
        "dimension": 16,
        "modality_gap": modality_gap(x, y),
        "cosine_within_x": cosine_stats(x).mean,
        "cosine_within_y": cosine_stats(y).mean,
        "cosine_paired": np.diag(cross).mean(),
        "cosine_across": cross.mean(),
        "squared_gap_unbiased": modality_gap(x, y) ** 2
        - np.var(unit(x) - unit(y), axis=0, ddof=1).sum() / 250,
        "relative_modality_gap": relative_modality_gap(x, y),
        "alignment": alignment(x, y),
        "gap_share_top2": gap_share_by_dimension(x, y)["share"].iloc[:2].sum(),
        "effective_rank_x": effective_rank(x),
        "effective_rank_y": effective_rank(y),
        "isoscore_x": isoscore(x),
        "isoscore_y": isoscore(y),
        "cka": cka(x, y),
        "cka_debiased": cka(x, y, debiased=True),
        "n_sampled": 250,
        **{
            f"r{k}_{way}": recalls[way, k]
            for way in ("image_to_text", "text_to_image")
            for k in (1, 5, 10)
        },
        "linear_separability": linear_separability(x, y),
        **{f"hubness_{way}": skew for way, _, skew in hubness(x, y).itertuples(index=False)},
        "neighbor_agreement": neighbor_agreement(x, y),
        "uniformity_x": uniformity(x),
        "uniformity_y": uniformity(y),
        "mmd": mmd(x, y),
    }
    assert list(report.index) == list(expected)
    assert report["value"].to_dict() == pytest.approx(expected, abs=1e-7)
    counts = ["n_pairs", "dimension", "n_sampled"]
    measured = report.drop(index=counts)
    assert (measured["low"] < measured["value"]).all() and (
        measured["value"] < measured["high"]
    ).all()
    assert report.loc[counts, ["low", "high"]].isna().all(axis=None)
    assert set(report["unit"]) == UNITS


def test_report_refuses_arrays_and_does_not_touch_the_global_seed():
    with pytest.raises(PairsError, match=r"got ndarray: use PairedEmbeddings.from_arrays"):
        gap_report(np.eye(3))
    x, y = sample(40, 6)
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.RandomState(3).rand()
    first = report_of(x, y)
    assert np.random.rand() == expected  # noqa: NPY002
    assert first.equals(report_of(x, y)) and not first.equals(report_of(x, y, seed=1))


def test_measures_of_all_pairs_of_pairs_rest_on_a_sample_that_is_named():
    x, y = sample(300, 8)
    whole, part = report_of(x, y), report_of(x, y, sample=120)
    exact = list(whole.index[: list(whole.index).index("n_sampled")])
    assert part.loc[exact].equals(whole.loc[exact])
    assert part.loc["n_sampled", "value"] == 120
    chosen = np.sort(np.random.default_rng(0).choice(300, 120, replace=False))
    sampled = part["value"].drop(exact).to_dict()
    assert sampled == report_of(x[chosen], y[chosen])["value"].drop(exact).to_dict()
    assert report_of(x, y, sample=120).equals(part)
    for wrong in (1, 2.5, True):
        with pytest.raises(PairsError, match="Expected sample as an integer of at least 2"):
            report_of(x, y, sample=wrong)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 21])
def test_few_pairs_have_a_report(n, recwarn):
    report = report_of(*sample(n, 5))
    known = report.drop(index=["cka_debiased"] if n < 4 else [])
    assert known["value"].notna().all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_report_of_identical_and_of_collapsed_modalities():
    x, _ = sample(60, 8)
    value = report_of(x, x)["value"]
    zero = ["modality_gap", "squared_gap_unbiased", "relative_modality_gap", "alignment", "mmd"]
    assert value[zero].abs().max() < 1e-12
    assert value[
        ["cka", "cka_debiased", "neighbor_agreement", "r1_image_to_text"]
    ].tolist() == pytest.approx([1] * 4)
    row = np.random.default_rng(0).normal(size=(1, 8))
    collapsed = report_of(np.repeat(row, 30, axis=0), np.repeat(-row, 30, axis=0))
    expected = {
        "modality_gap": 2,
        "relative_modality_gap": 1,
        "alignment": 4,
        "effective_rank_x": 1,
        "isoscore_x": 0,
    }
    expected |= {"uniformity_x": 0, "hubness_image_to_text": 0, "mmd": 2 - 2 * np.exp(-8)}
    assert collapsed.loc[list(expected), "value"].to_dict() == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def redraws():
    """Return value, low and high of measures in 120 samples of 200 pairs: {shift: {name: (120, 3)}}."""
    found = {}
    for shift in (0.0, 0.4):
        x, y = (unit_rows(side) for side in sample(24_000, 6, shift, seed=5))
        rows = {}
        for trial in range(120):
            a, b = x[200 * trial :][:200], y[200 * trial :][:200]
            values = intervals.moments(a, b, torch.ones(1, 200, dtype=torch.float64))
            redrawn = intervals.bootstrap(a, b, trial, 200)
            made = {
                name: (values[name][0], *np.nanpercentile(redrawn[name], [2.5, 97.5]))
                for name in values
            }
            if shift:
                made |= intervals.second_order_intervals(a, b, trial) | intervals.kernel_intervals(
                    a, b
                )
                made |= intervals.neighbor_intervals(a, b, 10, trial)
            for name, row in made.items():
                rows.setdefault(name, []).append(row)
        found[shift] = {name: np.array(row) for name, row in rows.items()}
    return found


def share_inside(rows, truth):
    return ((rows[:, 1] <= truth) & (truth <= rows[:, 2])).mean()


def test_intervals_cover_the_mean_of_samples_as_often_as_they_say(redraws):
    """The mean of all samples must lie in 95 % of the intervals, less three standard errors of 120 trials: 0.89."""
    cautious = {
        "gap_share_top2",
        "hubness_image_to_text",
        "hubness_text_to_image",
        "neighbor_agreement",
    }
    for name, rows in redraws[0.4].items():
        inside = share_inside(rows, rows[:, 0].mean())
        assert inside >= 0.89, (name, inside)
        spread, said = rows[:, 0].std(ddof=1), np.diff(rows[:, 1:]).mean() / (2 * intervals.Z95)
        assert 0.8 < said / spread < (2.5 if name in cautious else 1.25), (
            name,
            said / spread,
        )  # wider than need be


def test_intervals_that_are_said_to_be_wider_than_need_be():
    """MMD and debiased CKA of unrelated samples of one distribution; separability of pairs. 100 samples of 80."""
    x, y = (unit_rows(sample(8000, 6, 0, seed)[0]) for seed in (1, 2))
    paired = [unit_rows(side) for side in sample(8000, 6, 0.3, seed=1)]
    rows = []
    for trial in range(100):
        a, b, *partners = (side[80 * trial :][:80] for side in (x, y, *paired))
        unrelated = intervals.second_order_intervals(a, b, trial) | intervals.kernel_intervals(a, b)
        apart = linear_separability(*partners, trial)
        rows.append(
            [unrelated["mmd"], unrelated["cka_debiased"], (apart, *intervals.wilson(apart, 80))]
        )
    for found in np.array(rows).transpose(1, 0, 2):
        said = np.diff(found[:, 1:]).mean() / (2 * intervals.Z95)
        assert said / found[:, 0].std(ddof=1) > 1.2  # standard error 0.1
        assert share_inside(found, found[:, 0].mean()) >= 0.97


def test_the_unbiased_squared_gap_is_right_where_the_gap_is_not(redraws):
    for shift in (0.0, 0.4):
        population = [unit_rows(side) for side in sample(100_000, 6, shift, seed=9)]
        squared = modality_gap(*population) ** 2
        rows = redraws[shift]["squared_gap_unbiased"]
        assert abs(rows[:, 0].mean() - squared) < 3 * rows[:, 0].std() / 120**0.5 + 1e-4
        assert share_inside(rows, squared) >= 0.89
    gaps = redraws[0.0]["modality_gap"]
    assert gaps[:, 0].mean() > 0.05  # of a population without a gap


def test_a_redraw_is_the_measure_of_the_redrawn_pairs_without_copies():
    """Weights of 0, 1 and 2 against plain sums over different originals."""
    x, y = (unit_rows(side) for side in sample(9, 4))
    counts = np.array([2, 0, 1, 1, 1, 0, 2, 1, 1])
    redrawn = intervals.moments(x, y, torch.tensor(counts[None]).double())
    a, b = x.double().numpy(), y.double().numpy()
    different = np.outer(counts, counts) - np.diag(counts**2)

    def mean(products):
        return (different * products).sum() / different.sum()

    assert redrawn["cosine_within_x"][0] == pytest.approx(mean(a @ a.T))
    assert redrawn["cosine_paired"][0] == pytest.approx((counts * (a * b).sum(1)).sum() / 9)
    squared = mean((a - b) @ (a - b).T)
    assert redrawn["squared_gap_unbiased"][0] == pytest.approx(squared)
    length = (counts * ((a - b) ** 2).sum(1)).sum() / 9
    assert redrawn["modality_gap"][0] ** 2 == pytest.approx((8 * squared + length) / 9)
    single = intervals.moments(x, y, torch.tensor(counts[None]).float())
    for name, value in redrawn.items():
        assert single[name][0] == pytest.approx(value[0], abs=1e-6)


def test_leaving_a_group_out_is_measuring_the_others():
    """The jackknife takes sums away, or neighbors from lists: the same as measuring what is left from the start."""
    x, y = (unit_rows(side) for side in sample(60, 5))
    parts = {}
    for group in intervals._groups(60, 0):
        left = np.setdiff1d(np.arange(60), group)
        a, b = x[left], y[left]
        rest = {
            "effective_rank_x": effective_rank(a),
            "isoscore_y": isoscore(b),
            "cka_debiased": cka(a, b, True),
        }
        rest |= {
            f"hubness_{way}": skew for way, _, skew in hubness(a, b, k=4).itertuples(index=False)
        }
        rest["neighbor_agreement"] = neighbor_agreement(a, b, k=4)
        for name, value in rest.items():
            parts.setdefault(name, []).append(value)
    made = intervals.second_order_intervals(x, y, 0) | intervals.neighbor_intervals(x, y, 4, 0)
    for name, values in parts.items():
        error = ((19 / 20) * ((np.array(values) - np.mean(values)) ** 2).sum()) ** 0.5
        value, low, high = made[name]
        assert (high - low) / 2 == pytest.approx(2.0930240544 * error, rel=1e-6), (
            name
        )  # t of 19 degrees
        assert (high + low) / 2 == pytest.approx(value)


def test_leaving_a_pair_out_of_kernel_sums_is_measuring_the_others():
    x, y = (unit_rows(side) for side in sample(25, 5))
    keep = [np.delete(np.arange(25), i) for i in range(25)]
    for name, measure in (("uniformity_x", lambda a, b: uniformity(a)), ("mmd", mmd)):
        values = np.array([measure(x[rows], y[rows]) for rows in keep])
        error = ((24 / 25) * ((values - values.mean()) ** 2).sum()) ** 0.5
        _, low, high = intervals.kernel_intervals(x, y)[name]
        assert (high - low) / 2 == pytest.approx(intervals.Z95 * error, rel=1e-4)


def test_wilson_agrees_with_scipy():
    from scipy.stats import binomtest

    for hits, n in ((0, 40), (13, 40), (40, 40), (1, 2)):
        expected = binomtest(hits, n).proportion_ci(method="wilson")
        assert intervals.wilson(hits / n, n) == pytest.approx(
            (expected.low, expected.high), abs=1e-6
        )


def test_a_misspelled_option_is_not_swallowed():
    pairs = PairedEmbeddings.from_arrays(np.eye(4), np.eye(4))
    with pytest.raises(PairsError, match="Expected replicate with a folder of shards only"):
        gap_report(pairs, replicate=10)


def test_a_file_is_read_and_measured(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(2, 30, 4))
    pairs = PairedEmbeddings.from_arrays(x, y)
    pairs.save(tmp_path / "pairs.npz")
    pd.testing.assert_frame_equal(gap_report(str(tmp_path / "pairs.npz")), gap_report(pairs))

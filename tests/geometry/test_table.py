"""The table of all measures and what a report needs beside it, against each measure."""

from pathlib import Path

import numpy as np
import pytest
from helpers import sample, unit

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    MEASURES,
    cosine_stats,
    gap_report,
    gap_share_by_dimension,
    hubness,
    measure,
    modality_gap,
    retrieval,
)
from gapbook.pairs import PairedEmbeddings, load_pairs

COUNTS = ["n_pairs", "dimension", "n_sampled"]


def report_of(x, y, **options):
    return gap_report(PairedEmbeddings(x, y), **options).set_index("metric")


def test_the_table_agrees_with_each_measure():
    x, y = sample(250, 16, shift=0.1, falling=True)
    table = gap_report(PairedEmbeddings(x, y))
    assert list(table.columns) == ["metric", "value", "low", "high", "unit"]
    assert table["metric"].tolist() == list(MEASURES)
    report = table.set_index("metric")
    for name, row in MEASURES.items():
        if row.function is not None:
            assert report.loc[name, "value"] == pytest.approx(row.function(x, y), abs=1e-7), name
    assert report.loc["n_sampled", "value"] == 250
    measured = report.drop(index=COUNTS)
    assert (measured["low"] < measured["value"]).all()
    assert (measured["value"] < measured["high"]).all()
    assert report.loc[COUNTS, ["low", "high"]].isna().all(axis=None)


def test_measures_without_a_function_of_their_own_agree_with_plain_arithmetic():
    x, y = sample(250, 16, shift=0.1, falling=True)
    cosines = unit(x) @ unit(y).T
    variance = np.var(unit(x) - unit(y), axis=0, ddof=1).sum()
    expected = {
        "cosine_within_x": cosine_stats(x).mean,
        "cosine_within_y": cosine_stats(y).mean,
        "cosine_paired": np.diag(cosines).mean(),
        "cosine_across": cosines.mean(),
        "squared_gap_unbiased": modality_gap(x, y) ** 2 - variance / 250,
        "gap_share_top2": gap_share_by_dimension(x, y)["share"].iloc[:2].sum(),
    }
    values = report_of(x, y, replicates=2)["value"]
    assert values[list(expected)].to_dict() == pytest.approx(expected, abs=1e-7)


def test_the_report_takes_pairs_only():
    with pytest.raises(PairsError, match=r"got ndarray: use PairedEmbeddings.from_arrays"):
        gap_report(np.eye(3))
    with pytest.raises(PairsError, match="Expected PairedEmbeddings; got str"):
        gap_report("pairs.npz")
    with pytest.raises(TypeError, match="replicate"):
        gap_report(PairedEmbeddings(np.eye(4), np.eye(4)), replicate=10)


@pytest.mark.parametrize("path", ["a.npz", Path("folder")])
def test_a_path_in_the_place_of_pairs_is_told_the_way(path):
    with pytest.raises(PairsError, match=r"a file is read by PairedEmbeddings.load\(path\)"):
        gap_report(path)


def test_rows_of_very_many_dimensions_have_the_same_report():
    x, y = sample(40, 6)
    table = gap_report(PairedEmbeddings(x, y), replicates=50).set_index("metric")
    x, y = (np.pad(side, ((0, 0), (500, 60_000 - 506))) for side in (x, y))
    long = gap_report(PairedEmbeddings(x, y), replicates=50).set_index("metric")
    # A fraction of the dimensions.
    for name in ("isoscore_x", "isoscore_y"):
        long.loc[name, ["value", "low", "high"]] *= (60_000 - 1) / (6 - 1)
    others = table.index.drop(["dimension", "linear_separability"])
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(long[column][others], table[column][others], atol=1e-6)


def test_the_report_repeats_itself_and_does_not_touch_the_global_seed():
    x, y = sample(40, 6)
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.RandomState(3).rand()
    first = report_of(x, y)
    assert np.random.rand() == expected  # noqa: NPY002
    assert first.equals(report_of(x, y))
    assert not first.equals(report_of(x, y, seed=1))


def test_measures_of_all_pairs_of_pairs_rest_on_a_sample():
    x, y = sample(300, 8)
    whole = report_of(x, y)
    measured = measure(PairedEmbeddings(x, y), sample=120)
    part = measured.table.set_index("metric")
    exact = list(whole.index[: list(whole.index).index("n_sampled")])
    assert part.loc[exact].equals(whole.loc[exact])
    assert part.loc["n_sampled", "value"] == len(measured.pairs) == 120
    sampled = part["value"].drop(exact)
    assert sampled.equals(gap_report(measured.pairs).set_index("metric")["value"].drop(exact))
    assert report_of(x, y, sample=120).equals(part)


@pytest.mark.parametrize("sample_size", [1, 2.5, True])
def test_a_sample_must_be_an_integer_of_at_least_2(sample_size):
    with pytest.raises(PairsError, match="Expected sample as an integer of at least 2"):
        report_of(*sample(30, 4), sample=sample_size)


def test_what_is_beside_the_table_rests_on_the_pairs_it_should():
    x, y = sample(300, 8)
    pairs = PairedEmbeddings(x, y, modalities=("sound", "score"), source="here")
    measured = measure(pairs, replicates=2, sample=120)
    assert measured.partner_cosine_counts.sum() == 300
    assert (measured.pairs.modalities, measured.pairs.source) == (pairs.modalities, "here")
    rows = {row.tobytes(): i for i, row in enumerate(pairs.x)}
    chosen = [rows[row.tobytes()] for row in measured.pairs.x]
    assert chosen == sorted(set(chosen))
    np.testing.assert_array_equal(measured.pairs.y, pairs.y[chosen])
    assert measured.notes[0] == "300 pairs."
    assert measured.notes[-1].endswith(": 120 pairs of these.")
    all_of_them = measure(pairs, replicates=2)
    assert all_of_them.pairs is pairs
    assert all_of_them.notes == ["300 pairs."]


def test_notes_name_few_pairs_and_copies():
    """Five captions an image: four others tie with each partner."""
    images, texts = np.random.default_rng(0).standard_normal((2, 40, 8))
    several = PairedEmbeddings(np.repeat(images[:8], 5, axis=0), texts)
    measured = measure(several, replicates=2)
    note = measured.notes[1]
    assert "40 pairs hold 8 distinct image rows and 40 distinct text rows" in note
    assert "ties count against recall" in note
    assert "rows as independent" in note
    assert "Keep one pair for each image, as one caption an image." in note
    recalls = measured.table.set_index("metric")["value"]
    assert recalls["r1_text_to_image"] == 0
    turned = PairedEmbeddings(several.y, several.x, modalities=("sound", "score"))
    assert "Keep one pair for each score" in measure(turned, replicates=2).notes[1]
    few = measure(several.subset(slice(0, 40, 5)), replicates=2)
    assert few.notes == ["8 pairs.", "With fewer than 30 pairs the intervals mean little."]


def five_captions(n=40, noise=1.5, seed=0):
    """Draw n images with five captions each."""
    images, _ = sample(n, 8, seed=seed)
    rng = np.random.default_rng(seed)
    captions = images[:, None] + noise * rng.normal(size=(n, 5, 8)) - 1
    return PairedEmbeddings.from_groups(images, captions, modalities=("image", "text"))


def test_groups_have_a_report_of_their_own():
    pairs = five_captions()
    measured = measure(pairs, replicates=100)
    report = measured.table.set_index("metric")
    assert measured.table["metric"].tolist() == list(MEASURES)
    assert report["value"].notna().all()
    assert report.loc[["n_pairs", "n_sampled"], "value"].tolist() == [200, 40]
    recall = retrieval(pairs.x, pairs.y, groups=pairs.groups)
    for direction, k, value in recall.itertuples(index=False):
        assert report.loc[f"r{k}_{direction}", "value"] == value
    # Any of five texts is right.
    assert report.loc["r1_image_to_text", "value"] > report.loc["r1_text_to_image", "value"] > 0.1
    skewed = hubness(pairs.x, pairs.y, 10, pairs.groups)["skewness"].tolist()
    names = ["hubness_image_to_text", "hubness_text_to_image"]
    assert report.loc[names, "value"].tolist() == pytest.approx(skewed)
    # An image is not compared with its copies.
    distinct = cosine_stats(pairs.x[::5]).mean
    assert report.loc["cosine_within_x", "value"] == pytest.approx(distinct, abs=1e-6)
    assert report.loc["modality_gap", "value"] == pytest.approx(modality_gap(pairs.x, pairs.y))
    single = report_of(pairs.x[::5], pairs.y[::5])
    of_first = ["linear_separability", "neighbor_agreement", "cka_debiased", "mmd", "uniformity_y"]
    for name in of_first:
        assert report.loc[name].tolist()[:3] == pytest.approx(single.loc[name].tolist()[:3]), name
    measured_rows = report.drop(index=COUNTS)
    assert (measured_rows["low"] < measured_rows["value"]).all()
    assert (measured_rows["value"] < measured_rows["high"]).all()


def test_what_is_beside_the_table_of_groups():
    pairs = five_captions()
    measured = measure(pairs, replicates=2)
    assert measured.grouped is pairs
    assert measured.n_groups == 40
    assert measured.pairs.groups is None
    np.testing.assert_array_equal(measured.pairs.y, pairs.y[::5])
    assert measured.partner_cosine_counts.sum() == 200
    assert measured.notes[0] == "200 pairs in 40 groups: 5 rows of text for each row of image."
    assert "Any text of its group is right" in measured.notes[1]
    assert "on the first pair of each group." in measured.notes[-1]
    assert not [note for note in measured.notes if "Copies tie" in note]
    uneven = measure(pairs.subset(np.arange(3, 200)), replicates=2)
    assert uneven.notes[0].startswith("197 pairs in 40 groups: 2 to 5 rows")


def test_a_sample_of_groups_has_whole_groups():
    pairs = five_captions()
    whole = measure(pairs, replicates=2).table.set_index("metric")
    measured = measure(pairs, replicates=2, sample=30)
    part = measured.table.set_index("metric")
    assert (len(measured.grouped), len(measured.pairs), measured.n_groups) == (150, 30, 40)
    assert part.loc["n_sampled", "value"] == 30
    exact_rows = list(whole.index[: list(whole.index).index("n_sampled")])
    assert part.loc[exact_rows].equals(whole.loc[exact_rows])
    assert "rest on all pairs of 30 of the groups" in measured.notes[-1]
    assert "on the first pair of each of 30 of the groups" in measured.notes[-1]


def test_groups_of_one_pair_have_the_report_of_pairs():
    x, y = sample(40, 6)
    alone = PairedEmbeddings(x, y, groups=np.arange(40))
    plain = measure(PairedEmbeddings(x, y), replicates=50)
    measured = measure(alone, replicates=50)
    assert measured.table.equals(plain.table)
    assert measured.notes == plain.notes
    assert measured.grouped is None


def test_intervals_are_wider_than_those_of_rows_taken_as_independent():
    pairs = five_captions(60, noise=0)
    rows = pairs.y + 0.01 * np.random.default_rng(0).normal(size=pairs.y.shape)
    grouped = PairedEmbeddings(pairs.x, rows, groups=pairs.groups)
    by_group = gap_report(grouped, replicates=300).set_index("metric")
    by_row = report_of(grouped.x, grouped.y, replicates=300)
    width = by_group["high"] - by_group["low"]
    of_rows = by_row["high"] - by_row["low"]
    for name in ("modality_gap", "cosine_paired", "effective_rank_x", "cka", "uniformity_x"):
        assert width[name] > 1.3 * of_rows[name], name


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_groups_have_a_report(n, recwarn):
    report = gap_report(five_captions(n), replicates=20).set_index("metric")
    unknown = ["cka_debiased"] if n < 4 else []
    assert report["value"].drop(unknown).notna().all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 21])
def test_few_pairs_have_a_report(n, recwarn):
    report = report_of(*sample(n, 5))
    unknown = ["cka_debiased"] if n < 4 else []
    assert report["value"].drop(unknown).notna().all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_report_of_identical_modalities():
    x, _ = sample(60, 8)
    value = report_of(x, x)["value"]
    zero = ["modality_gap", "squared_gap_unbiased", "relative_modality_gap", "alignment", "mmd"]
    assert value[zero].abs().max() < 1e-12
    one = ["cka", "cka_debiased", "neighbor_agreement", "r1_image_to_text"]
    assert value[one].tolist() == pytest.approx([1] * 4)


def test_report_of_collapsed_modalities():
    row = np.random.default_rng(0).normal(size=(1, 8))
    value = report_of(np.repeat(row, 30, axis=0), np.repeat(-row, 30, axis=0))["value"]
    expected = {
        "modality_gap": 2,
        "relative_modality_gap": 1,
        "alignment": 4,
        "effective_rank_x": 1,
        "isoscore_x": 0,
        "uniformity_x": 0,
        "hubness_image_to_text": 0,
        "mmd": 2 - 2 * np.exp(-8),
    }
    assert value[list(expected)].to_dict() == pytest.approx(expected, abs=1e-6)


# Of the published files, to the digits that their paper prints: gap, cosine within x and y, of
# partners and across, and R@1 both ways.
PUBLISHED = {
    "clip-coco": (0.8514, 0.5315, 0.5152, 0.3099, 0.1619, 0.552, 0.506),
    "clip-coco-random": (1.1361, 0.6814, 0.6635, 0.0285, 0.0278, 0.002, 0.002),
    "videoclip-msrvtt": (1.0669, 0.6889, 0.4947, 0.0915, 0.0268, 0.37, 0.24),
    "videoclip-msrvtt-random": (0.9544, 0.4440, 0.8402, 0.1916, 0.1903, 0.00, 0.01),
}
OF_PUBLISHED = [
    "modality_gap",
    "cosine_within_x",
    "cosine_within_y",
    "cosine_paired",
    "cosine_across",
    "r1_image_to_text",
    "r1_text_to_image",
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_report_of_the_authors_embeddings(name):
    report = gap_report(load_pairs(name), replicates=2).set_index("metric")["value"]
    # Half a digit, and what rounding rows to 16 bits moves.
    assert report[OF_PUBLISHED].tolist() == pytest.approx(PUBLISHED[name], abs=5e-5 + 1e-5)
    assert report["linear_separability"] > 0.99


@pytest.mark.parametrize("replicates", [0, -1, 2.5])
def test_intervals_need_a_whole_number_of_redraws(replicates):
    pairs = PairedEmbeddings(np.eye(4), np.eye(4))
    with pytest.raises(PairsError, match="Expected replicates as an integer from 1; got"):
        gap_report(pairs, replicates=replicates)

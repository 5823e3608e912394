"""More than two modalities of the same items."""

import numpy as np
import pandas as pd
import pytest

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report, several_report
from gapbook.mitigation.evaluation import mixed_search
from gapbook.pairs import PairedEmbeddings


def clouds(k=3, n=40, d=6, apart=1.0, seed=0):
    """Return k clouds of the same items about random centers."""
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((n, d))
    sides = {}
    for i in range(k):
        center = apart * rng.standard_normal(d)
        sides[f"side {i}"] = items + center + rng.standard_normal((n, d))
    return sides


def together(table, metric):
    return table[(table["x"] == "all") & (table["metric"] == metric)].iloc[0]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_each_pair_has_the_measures_of_gap_report():
    sides = clouds()
    table = several_report(sides, replicates=20)
    first, _, last = sides
    pairs = PairedEmbeddings(sides[first], sides[last])
    of_pair = table[(table["x"] == first) & (table["y"] == last)]
    of_pair = of_pair[of_pair["metric"] != "share_of_results"].set_index("metric")
    alone = gap_report(pairs, replicates=20).set_index("metric")
    np.testing.assert_allclose(of_pair["value"], alone["value"], rtol=1e-5, atol=1e-6)


def test_gap_report_of_a_mapping_is_the_table_of_several_modalities():
    sides = clouds()
    table = gap_report(sides, seed=3, replicates=20, sample=30)
    pd.testing.assert_frame_equal(table, several_report(sides, 3, 20, 30))


def test_gap_report_of_two_names_has_the_measures_of_their_pairs():
    sides = clouds(k=2)
    table = gap_report(sides, replicates=20)
    of_pair = table[(table["x"] != "all") & (table["metric"] != "share_of_results")]
    alone = gap_report(PairedEmbeddings(*sides.values()), replicates=20)
    assert of_pair["metric"].tolist() == alone["metric"].tolist()
    columns = ["value", "low", "high"]
    np.testing.assert_allclose(of_pair[columns], alone[columns], rtol=1e-5, atol=1e-6)


def test_variance_between_is_the_textbook_share():
    sides = clouds()
    rows = np.stack([unit(side) for side in sides.values()])
    centers = rows.mean(1)
    between = centers.var(0).sum()
    expected = between / rows.reshape(-1, rows.shape[-1]).var(0).sum()
    found = together(several_report(sides, replicates=20), "variance_between")
    assert found["value"] == pytest.approx(expected, rel=1e-5)
    assert found["low"] < expected < found["high"]


def test_of_two_modalities_the_shares_are_those_of_mixed_search():
    sides = clouds(k=2)
    x, y = sides.values()
    table = several_report(sides, replicates=20).query("metric == 'share_of_results'")
    shares = table.set_index(["x", "y"])["value"]
    other = mixed_search(x, y, k=10)["other"].tolist()
    assert shares["side 0", "side 1"] == pytest.approx(other[0])
    assert shares["side 1", "side 0"] == pytest.approx(other[1])


def test_shares_count_neighbors_one_by_one():
    sides = clouds(k=4, n=24)
    index = np.concatenate([unit(side) for side in sides.values()])
    cosines = index @ index.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :10] // 24
    table = several_report(sides, replicates=20).query("metric == 'share_of_results'")
    for i, x in enumerate(sides):
        of_x = table[table["x"] == x]["value"].to_numpy()
        expected = [(nearest[24 * i : 24 * (i + 1)] == j).mean() for j in range(4)]
        np.testing.assert_allclose(of_x, expected)
        assert of_x.sum() == pytest.approx(1)


def test_one_cloud_shares_its_places_and_far_clouds_keep_to_themselves():
    rng = np.random.default_rng(0)
    same = {name: rng.standard_normal((400, 6)) for name in "abc"}
    found = several_report(same, replicates=20)
    assert together(found, "own_share")["value"] == pytest.approx(399 / 1199, abs=0.02)
    assert together(found, "variance_between")["value"] < 0.01
    far = several_report(clouds(apart=20), replicates=20)
    assert together(far, "own_share")["value"] == 1
    assert together(far, "variance_between")["value"] > 0.9


def test_many_items_are_sampled_for_what_compares_all_rows():
    table = several_report(clouds(n=60), replicates=20, sample=30)
    assert set(table.query("metric == 'n_sampled'")["value"]) == {30}
    assert len(table.query("metric == 'share_of_results'")) == 9


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ({"image": np.eye(4)}, "a mapping of at least two names of modalities"),
        ([np.eye(4), np.eye(4)], "a mapping of at least two names of modalities"),
        ({"image": np.eye(4), "all": np.eye(4)}, "a printable name of a modality, not 'all'"),
        ({"image": np.eye(4), "\x1b": np.eye(4)}, "a printable name of a modality"),
        ({"image": np.eye(4), "text": np.eye(5)}, r"one shape .*image \(4, 4\), text \(5, 5\)"),
        ({"image": np.eye(4), "text": np.zeros((4, 4))}, "of text has zero norm"),
    ],
)
def test_what_is_no_set_of_modalities_is_refused_in_a_sentence(sides, message):
    with pytest.raises(PairsError, match=message):
        several_report(sides)


def test_gap_report_refuses_a_mapping_of_one_name():
    with pytest.raises(PairsError, match="a mapping of at least two names of modalities"):
        gap_report({"image": np.eye(4)})

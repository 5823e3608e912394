"""A metric that takes in pairs batch by batch says what a report says of all."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report, uniformity
from gapbook.pairs import PairedEmbeddings
from gapbook.training_metric import GapMetric

D = 6


def cloud(n, seed=0):
    """Pairs with a gap, whose rows have different lengths."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, D))
    x = shared + rng.normal(size=(n, D)) + np.eye(D)[0]
    y = shared + rng.normal(size=(n, D)) - np.eye(D)[1]
    return x.astype(np.float32), y.astype(np.float32)


def of_batches(x, y, sizes, tau=None, **settings):
    metric = GapMetric(**settings)
    start = 0
    for size in sizes:
        metric.update(x[start : start + size], y[start : start + size], tau)
        start += size
    assert start == len(x)
    return metric


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value == pytest.approx(second[name], rel=1e-9, abs=1e-12), name


def test_values_are_those_of_the_report_on_the_same_rows():
    x, y = cloud(50)
    values = of_batches(x, y, [20, 1, 29]).compute()
    table = gap_report(PairedEmbeddings(x, y), replicates=10).set_index("metric")["value"]
    for name in values:
        assert values[name] == pytest.approx(table[name], rel=1e-6, abs=1e-9), name
        assert type(values[name]) in (int, float), "loggers write JSON"
    wanted = {"n_pairs", "modality_gap", "cosine_paired", "cosine_within_x", "cosine_across"}
    wanted |= {"alignment", "uniformity_x", "uniformity_y", "effective_rank_x", "effective_rank_y"}
    assert wanted <= values.keys()


@pytest.mark.parametrize("sample", [2048, 10])
def test_neither_batches_nor_the_order_matter(sample):
    x, y = cloud(40)
    whole = of_batches(x, y, [40], sample=sample).compute()
    assert_same(of_batches(x, y, [1] * 40, sample=sample).compute(), whole)
    assert_same(of_batches(x, y, [7, 33], sample=sample).compute(), whole)
    order = np.random.default_rng(1).permutation(40)
    assert_same(of_batches(x[order], y[order], [13, 27], sample=sample).compute(), whole)


def test_a_large_batch_has_the_sample_of_small_ones():
    x, y = cloud(9000)
    whole = of_batches(x, y, [9000], sample=100).compute()
    assert whole["n_sampled"] == 100
    assert_same(of_batches(x, y, [5000, 4000], sample=100).compute(), whole)


def test_uniformity_of_a_sample_comes_close_to_that_of_all_pairs():
    x, y = cloud(4000)
    errors = []
    for start in range(0, 4000, 1000):
        rows = slice(start, start + 1000)
        values = of_batches(x[rows], y[rows], [1000], sample=200).compute()
        errors.append(values["uniformity_x"] - uniformity(x[rows]))
    assert np.abs(errors).max() < 0.15
    # Samples err on both sides: they are not those of one part of the cloud.
    assert abs(np.mean(errors)) < 0.05


def test_the_sample_is_that_of_pairs_and_not_of_the_first_coordinates():
    x, y = cloud(2000)
    metric = of_batches(x, y, [2000], sample=500)
    chosen = metric.state_dict()["sample_rows"].numpy()
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    for coordinate in range(D):
        among_all = (x / norms)[:, coordinate].mean()
        assert abs(chosen[:, 0, coordinate].mean() - among_all) < 0.08


def test_merged_parts_are_the_whole():
    x, y = cloud(40)
    whole = of_batches(x, y, [40], tau=0.1, sample=15).compute()
    merged = GapMetric(sample=15)
    for rows in (slice(0, 9), slice(9, 10), slice(10, 40)):
        part = of_batches(x[rows], y[rows], [len(x[rows])], tau=0.1, sample=15)
        before = part.compute() if part.n_pairs > 1 else None
        merged.merge(part)
        if before is not None:
            assert_same(part.compute(), before)
    merged.merge(GapMetric(sample=15))
    assert_same(merged.compute(), whole)


def test_what_is_kept_does_not_grow_with_the_pairs():
    def size(metric):
        return sum(value.nbytes for value in metric.state_dict().values())

    x, y = cloud(600)
    few = size(of_batches(x[:100], y[:100], [100], sample=50))
    assert size(of_batches(x, y, [100] * 6, sample=50)) == few


def test_tau_is_the_mean_over_the_pairs_for_which_it_is_stated():
    x, y = cloud(10)
    metric = GapMetric()
    metric.update(x[:6], y[:6], tau=0.1)
    metric.update(x[6:8], y[6:8], tau=0.5)
    metric.update(x[8:], y[8:])
    assert metric.compute()["tau"] == pytest.approx(0.2)
    assert "tau" not in of_batches(x, y, [10]).compute()


def test_without_covariances_all_other_values_stay():
    x, y = cloud(30)
    whole = of_batches(x, y, [30]).compute()
    fewer = of_batches(x, y, [10, 20], covariances=False).compute()
    left_out = {"effective_rank_x", "effective_rank_y", "isoscore_x", "isoscore_y"}
    assert whole.keys() - fewer.keys() == left_out | {"cka", "cka_debiased"}
    assert_same(fewer, {name: whole[name] for name in fewer})


def test_tensors_of_a_model_are_taken_with_their_gradients_left_alone():
    x, y = map(torch.tensor, cloud(20))
    x.requires_grad_()
    metric = GapMetric()
    metric.update(x, y)
    assert x.grad is None
    assert_same(metric.compute(), of_batches(x.detach().numpy(), y.numpy(), [20]).compute())
    metric.update(x.bfloat16(), y.bfloat16())
    assert metric.n_pairs == 40


def test_reset_forgets_everything():
    x, y = cloud(20)
    metric = of_batches(x, y, [20], tau=1.0)
    metric.reset()
    assert metric.n_pairs == 0
    metric.update(x[:5, :4], y[:5, :4])
    assert_same(metric.compute(), of_batches(x[:5, :4], y[:5, :4], [5]).compute())


def test_a_state_goes_through_a_checkpoint(tmp_path):
    x, y = cloud(40)
    metric = of_batches(x[:25], y[:25], [25], tau=0.2, sample=12)
    torch.save(metric.state_dict(), tmp_path / "state.pt")
    again = GapMetric(sample=12)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.compute() == metric.compute()
    for each in (metric, again):
        each.update(x[25:], y[25:], tau=0.2)
    assert again.compute() == metric.compute()
    again.load_state_dict(GapMetric(sample=12).state_dict())
    assert again.n_pairs == 0


def test_a_state_is_a_copy():
    x, y = cloud(10)
    metric = of_batches(x, y, [10])
    before = metric.compute()
    for value in metric.state_dict().values():
        value.zero_()
    assert metric.compute() == before


# ---- several processes

PROCESS = """
import json, sys
import torch.distributed as distributed
sys.path.insert(0, sys.argv[1])
from test_training_metric import cloud, of_batches
from gapbook.training_metric import GapMetric
rank, address = int(sys.argv[2]), sys.argv[3]
distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
x, y = cloud(40)
rows = [slice(0, 31), slice(31, 40)][rank]
own = of_batches(x[rows], y[rows], [len(x[rows])], tau=[0.1, 0.3][rank], sample=15)
empty = GapMetric(sample=15) if rank else own
other = GapMetric(sample=15 + rank)
try:
    other.gathered()
    refusal = None
except ValueError as error:
    refusal = str(error)
values = [own.gathered().compute(), empty.gathered().compute(), own.compute()]
print(json.dumps([*values, refusal]))
distributed.destroy_process_group()
"""


def test_two_processes_get_the_values_of_all_pairs():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    here = str(Path(__file__).parent)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, here, str(rank), address],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    x, y = cloud(40)
    whole = of_batches(x, y, [40], sample=15).compute() | {"tau": (31 * 0.1 + 9 * 0.3) / 40}
    parts = [
        of_batches(x[:31], y[:31], [31], tau=0.1, sample=15).compute(),
        of_batches(x[31:], y[31:], [9], tau=0.3, sample=15).compute(),
    ]
    for rank, (of_all, of_the_first, own, refusal) in enumerate(said):
        assert_same(of_all, whole)
        assert_same(of_the_first, parts[0])
        assert_same(own, parts[rank])
        assert "Expected a metric with covariances=True and sample=1" in refusal


def test_a_single_process_gathers_itself():
    x, y = cloud(10)
    metric = of_batches(x, y, [10])
    gathered = metric.gathered()
    assert gathered is not metric
    assert gathered.compute() == metric.compute()


# ---- what is refused

ROWS = np.eye(D)[:3]
BAD_UPDATES = {
    "other shapes": ((ROWS, ROWS[:2]), "Expected x and y of the same shape"),
    "other dimension": ((ROWS[:, :4], ROWS[:, :4]), "Expected pairs of 6 dimensions, as before"),
    "no rows": ((ROWS[:0], ROWS[:0]), "at least 1 pair is needed; got 0"),
    "no number": ((ROWS * np.nan, ROWS), "x"),
    "zero row": ((ROWS, ROWS * 0), "y"),
    "bits": ((ROWS.astype(np.uint8), ROWS), "embeddings of 8 bits"),
    "tau of zero": ((ROWS, ROWS, 0.0), "Expected tau above 0"),
    "tau below zero": ((ROWS, ROWS, -1), "Expected tau as a finite number from 0; got -1"),
    "tau not finite": ((ROWS, ROWS, np.inf), "Expected tau as a finite number"),
    "tau of a tensor": ((ROWS, ROWS, torch.tensor(1.0)), "Expected tau as a finite number"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD_UPDATES.values(), ids=BAD_UPDATES)
def test_a_bad_batch_is_refused_and_changes_nothing(arguments, message):
    x, y = cloud(10)
    metric = of_batches(x, y, [10], tau=0.1)
    before = metric.compute()
    with pytest.raises(PairsError, match=message):
        metric.update(*arguments)
    assert metric.compute() == before


@pytest.mark.parametrize("sample", [0, 1, True, 2.5, "all"])
def test_a_sample_that_is_none_is_refused(sample):
    with pytest.raises(PairsError, match="Expected sample as an integer from 2"):
        GapMetric(sample=sample)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pairs_have_no_values(n):
    metric = GapMetric()
    if n:
        metric.update(*cloud(n))
    with pytest.raises(PairsError, match=f"at least 2 pairs are needed; got {n}"):
        metric.compute()


def test_metrics_of_other_settings_or_dimensions_do_not_merge():
    x, y = cloud(10)
    metric = of_batches(x, y, [10])
    before = metric.compute()
    for other in (GapMetric(sample=5), GapMetric(covariances=False)):
        with pytest.raises(PairsError, match="Expected a metric with covariances=True"):
            metric.merge(other)
        with pytest.raises(PairsError, match="Expected a metric with covariances=True"):
            metric.load_state_dict(other.state_dict())
    with pytest.raises(PairsError, match="Expected pairs of 6 dimensions, as before; got 4"):
        metric.merge(of_batches(x[:, :4], y[:, :4], [10]))
    with pytest.raises(PairsError, match="it lacks settings, n_pairs, tau"):
        metric.load_state_dict({})
    assert metric.compute() == before


@pytest.mark.parametrize("covariances", [True, False])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("x", (D, 1)),
        ("y", (D + 1,)),
        ("xy", (D, D + 1)),
        ("tau", (3,)),
        ("settings", (1,)),
        ("n_pairs", (2,)),
        ("sample_keys", ()),
        ("sample_rows", (4, 2, D - 1)),
    ],
)
def test_a_state_of_other_shapes_is_refused_in_one_sentence(name, shape, covariances):
    metric = of_batches(*cloud(12), [12], covariances=covariances)
    before = metric.compute()
    state = metric.state_dict() | {name: torch.ones(shape, dtype=metric.state_dict()[name].dtype)}
    with pytest.raises(PairsError, match=r"Expected the state of a GapMetric with .* of shape"):
        metric.load_state_dict(state)
    assert_same(metric.compute(), before)

"""Cost of ``cosine_stats`` against the plain way, in ratios of time and memory; ``gap_report`` within its budget."""

import pytest
from side_by_side import needs_peak, run, side_by_side

N, D = 5_000, 512
COMMON = f"""
import numpy as np, pandas as pd, torch, tqdm
from gapbook.geometry import cosine_stats

x = np.random.default_rng(0).normal(0.06, 1 / {D} ** 0.5, size=({N}, {D})).astype(np.float32)
x /= np.linalg.norm(x, axis=1, keepdims=True)
"""
REPORT = """
import numpy as np
from gapbook.geometry import gap_report
from gapbook.pairs import PairedEmbeddings

n, d = 50_000, 512
rng = np.random.default_rng(0)
shared = rng.standard_normal((n, d), dtype=np.float32)
sides = [shared + rng.standard_normal((n, d), dtype=np.float32) + shift for shift in (0.5, -0.3)]
pairs = PairedEmbeddings(*sides)
gap_report(pairs.subset(slice(50)))  # first calls load libraries
with open("/proc/self/clear_refs", "w") as forget:
    forget.write("5")  # the peak so far
before, start, used = peak(), time.perf_counter(), time.process_time()
report = gap_report(pairs)
wall, cpu = time.perf_counter() - start, time.process_time() - used
values = report.set_index("metric")["value"].to_dict()
print(json.dumps({"wall": wall, "cpu": cpu, "memory": peak() - before, "values": values}))
"""
PLAIN = """
def plain():
    similarity = x @ x.T
    cosines = similarity[~np.eye(len(x), dtype=bool)].tolist()
    table = pd.DataFrame(cosines).describe()[0]
    counts, _ = np.histogram(cosines, bins=100, range=(-1, 1))
    names = ["mean", "std", "min", "25%", "50%", "75%", "max"]
    return {"values": table[names].tolist(), "counts": counts.tolist()}

print(json.dumps(fastest(plain, 1)))
"""
OURS = """
def ours():
    s = cosine_stats(x)
    values = [s.mean, s.std, s.min, s.q25, s.median, s.q75, s.max]
    return {"values": values, "counts": s.histogram.counts.tolist()}

print(json.dumps(fastest(ours, 20)))
"""


@pytest.mark.slow
@needs_peak
def test_cosine_stats_is_25_times_faster_in_a_tenth_of_the_memory():
    plain, ours = side_by_side(COMMON + PLAIN, COMMON + OURS, 25)
    expected, found = plain["result"], ours["result"]
    assert found["values"] == pytest.approx(expected["values"], abs=1e-6)
    assert sum(found["counts"]) == sum(expected["counts"]) == N * (N - 1)
    moved = sum(abs(a - b) for a, b in zip(found["counts"], expected["counts"], strict=True))
    assert moved < 1e-4 * N * (N - 1)  # cosines on an edge of the histogram, to rounding
    print(f", {plain['memory']:.0f} MB to {ours['memory']:.0f} MB")
    assert plain["time"] >= 25 * ours["time"]
    assert plain["memory"] >= 10 * ours["memory"]


@pytest.mark.slow
@needs_peak
def test_gap_report_of_50_000_pairs_takes_under_90_seconds_and_2_gigabytes():
    """Seconds are the processor's, of both threads together: on two free cores the clock shows no more than that."""
    spent = run(REPORT, OMP_NUM_THREADS="2")
    print(
        f"{spent['cpu']:.0f} s of processor time, {spent['wall']:.0f} s by the clock, {spent['memory']:.0f} MB"
    )
    assert (spent["values"]["n_pairs"], spent["values"]["n_sampled"]) == (50_000, 5_000)
    assert spent["cpu"] < 90
    assert spent["memory"] < 2048

"""Reports over 1, 10 and 100 shards: time grows with their number, memory does not."""

import os

import numpy as np
import pytest
from side_by_side import needs_peak, run

# Pairs of a shard (16 MB) and their dimensions.
N = 8_000
D = 256

# Each number of shards has a fresh cluster; what a worker has before its first shard is taken away.
CODE = """
from pathlib import Path
from distributed import Client, LocalCluster
from gapbook.shards import measure_shards

def peak_with_libraries():
    import torch, gapbook.shards, gapbook.geometry
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

if __name__ == "__main__":
    folder, shards = Path(sys.argv[1]), sys.argv[2]
    settings = dict(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    options = dict(sample=1000, replicates=10)
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        start = client.run(peak_with_libraries)
        mine = peak()
        measure_shards(folder / "1", client, **options)  # imports, thread pools
        begun = time.perf_counter()
        found = measure_shards(folder / shards, client, **options)
        seconds = time.perf_counter() - begun
        end = client.run(peak_with_libraries)
        memory = max(end[worker] - start[worker] for worker in start)
        pairs = int(found.partner_cosine_counts.sum())
        print(json.dumps(dict(time=seconds, memory=memory, client=peak() - mine, pairs=pairs)))
"""


@pytest.mark.slow
@needs_peak
def test_time_grows_with_the_shards_and_memory_does_not(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "shard.npy", rng.normal(0.1, 1, size=(2, N, D)).astype(np.float32))
    found = {}
    for shards in (1, 10, 100):
        folder = tmp_path / str(shards)
        folder.mkdir()
        # One file under many names.
        for i in range(shards):
            os.link(tmp_path / "shard.npy", folder / f"{i:03}.npy")
    for shards in (1, 10, 100):
        result = run(CODE, str(tmp_path), str(shards), OMP_NUM_THREADS="1")
        assert result["pairs"] == shards * N
        print(f"{shards:4} shards, {result['pairs']:7,} pairs: {result['time']:6.1f} s, ", end="")
        print(f"{result['memory']:4.0f} MB a worker, {result['client']:4.0f} MB in the client")
        found[shards] = result
    first = (found[10]["time"] - found[1]["time"]) / 9
    later = (found[100]["time"] - found[10]["time"]) / 90
    print(f"{later:.3f} s a shard from 10 to 100, {first:.3f} s from 1 to 10")
    assert later < 2 * first
    for memory in ("memory", "client"):
        assert found[100][memory] < 1.25 * found[10][memory] + 10

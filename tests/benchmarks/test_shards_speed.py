"""Reports over 1, 10 and 100 shards: time grows with their number, memory does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

N, D, WORKERS = 8_000, 256, 2  # pairs of a shard (16 MB), dimensions
STATUS = Path("/proc/self/status")

# Each number of shards has a fresh cluster; what a worker has before its first shard is taken away.
CODE = f"""
import json, sys, time
from pathlib import Path

def peak():
    import torch, gapbook.shards, gapbook.geometry
    return int(next(line for line in open("{STATUS}") if line.startswith("VmHWM")).split()[1]) / 1024

if __name__ == "__main__":
    from distributed import Client, LocalCluster
    from gapbook.shards import measure_shards

    settings = dict(n_workers={WORKERS}, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with LocalCluster(**settings) as cluster, Client(cluster) as client:
        client.wait_for_workers({WORKERS})
        start, mine = client.run(peak), peak()
        measure_shards(Path(sys.argv[1]) / "1", client, sample=1000, replicates=10)  # imports, thread pools
        begun = time.perf_counter()
        found = measure_shards(Path(sys.argv[1]) / sys.argv[2], client, sample=1000, replicates=10)
        seconds, end = time.perf_counter() - begun, client.run(peak)
        memory = max(end[worker] - start[worker] for worker in start)
        result = dict(time=seconds, memory=memory, client=peak() - mine, pairs=int(found.paired.sum()))
        print(json.dumps(result))
"""


def run(folder: Path, shards: int) -> dict:
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    script = folder / "measure.py"
    script.write_text(CODE)
    command = [sys.executable, str(script), str(folder), str(shards)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(
    not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"
)
def test_time_grows_with_the_shards_and_memory_does_not(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "shard.npy", rng.normal(0.1, 1, size=(2, N, D)).astype(np.float32))
    for shards in (1, 10, 100):
        (tmp_path / str(shards)).mkdir()
        for i in range(shards):  # one file under many names
            os.link(tmp_path / "shard.npy", tmp_path / str(shards) / f"{i:03}.npy")
    found = {shards: run(tmp_path, shards) for shards in (1, 10, 100)}
    for shards, result in found.items():
        assert result["pairs"] == shards * N
        print(f"{shards:4} shards, {result['pairs']:7,} pairs: {result['time']:6.1f} s, ", end="")
        print(f"{result['memory']:4.0f} MB a worker, {result['client']:4.0f} MB in the client")
    first, later = (found[b]["time"] - found[a]["time"] for a, b in ((1, 10), (10, 100)))
    print(f"{later / 90:.3f} s a shard from 10 to 100, {first / 9:.3f} s from 1 to 10")
    assert later / 90 < 2 * first / 9
    assert found[100]["memory"] < 1.25 * found[10]["memory"] + 10
    assert found[100]["client"] < 1.25 * found[10]["client"] + 10

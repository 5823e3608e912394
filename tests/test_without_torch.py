"""Measuring needs NumPy, SciPy, scikit-learn and pandas, and no torch."""

import subprocess
import sys

import numpy as np

WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoTorch())
"""

MEASURE = """
import numpy as np
import gapbook
from gapbook.geometry import cosine_stats, gap_report

rng = np.random.default_rng(0)
x = rng.normal(size=(500, 16)) + 1
y = rng.normal(size=(500, 16)) - 1
table = gap_report(gapbook.PairedEmbeddings(x, y), replicates=50).set_index("metric")
assert 1 < table.loc["modality_gap", "value"] < 2
assert table["value"].notna().all()
assert cosine_stats(x).n_pairs == 500 * 499
assert "torch" not in sys.modules
"""


REPORT = """
from gapbook.cli import main

sys.exit(main(["report", "pairs.npz", "--out", "report.json"]))
"""


def run_without_torch(code, folder):
    """Run code in a process that cannot import torch."""
    command = [sys.executable, "-c", WITHOUT_TORCH + code]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_pairs_are_measured_without_torch(tmp_path):
    result = run_without_torch(MEASURE, tmp_path)
    assert result.returncode == 0, result.stderr


def test_pairs_are_reported_without_torch(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "pairs.npz", x=rng.normal(size=(60, 8)) + 1, y=rng.normal(size=(60, 8)))
    result = run_without_torch(REPORT, tmp_path)
    assert "torch" not in result.stderr, result.stderr
    assert result.returncode == 0
    assert (tmp_path / "report.json").exists()

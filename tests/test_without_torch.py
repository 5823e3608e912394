"""Measuring needs NumPy, SciPy, scikit-learn and pandas, and no torch."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gapbook
from gapbook.files import data_path

# Of 2^20 bytes, as ``du -h`` counts them.
MEGABYTE = 2**20

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
assert len(gap_report({"image": x, "text": y, "sound": x + y}, replicates=50)) > 3 * len(table)
assert cosine_stats(x).n_pairs == 500 * 499
assert "torch" not in sys.modules
"""


REPORT = """
from gapbook.cli import main

sys.exit(main(["report", "pairs.npz", "--out", "report.json"]))
"""


SEVERAL = """
from gapbook.cli import main

files = ["images.npy", "texts.npy", "sounds.npy"]
assert main(["report", *files, "--out", "report.json", "--out", "report.md"]) == 0
assert "torch" not in sys.modules
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
    np.savez(tmp_path / "pairs.npz", x=rng.normal(size=(500, 8)) + 1, y=rng.normal(size=(500, 8)))
    result = run_without_torch(REPORT, tmp_path)
    assert "torch" not in result.stderr, result.stderr
    assert result.returncode == 0
    assert (tmp_path / "report.json").exists()


def test_three_modalities_are_reported_without_torch(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("images", "texts", "sounds"):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(50, 8)) + 1)
    result = run_without_torch(SEVERAL, tmp_path)
    assert result.returncode == 0, result.stderr


def required(name, needed=None):
    """Return the names of the distributions that one of them brings here, its own among them."""
    needed = set() if needed is None else needed
    needed.add(canonicalize_name(name))
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and canonicalize_name(requirement.name) not in needed:
            required(requirement.name, needed)
    return needed


def size(paths):
    """Return the bytes of files, without the bytecode that Python writes when it runs them."""
    sources = [path for path in paths if path.is_file() and path.suffix != ".pyc"]
    return sum(path.stat().st_size for path in sources)


def test_the_plain_package_is_light():
    needed = required("gapbook")
    assert needed.isdisjoint({"torch", "transformers", "pyarrow", "dask", "seaborn", "umap-learn"})
    assert {"numpy", "scipy", "scikit-learn", "pandas"} <= needed
    installed = [Path(file.locate()) for name in needed for file in metadata.files(name) or []]
    # An editable installation lists none of the files of this package.
    of_package = {*Path(gapbook.__file__).parent.rglob("*"), *data_path(".").rglob("*")}
    assert size(of_package.union(installed)) < 350 * MEGABYTE

"""What says which extra is missing."""

import subprocess
import sys

import pytest

from gapbook.exceptions import MissingPackageError
from gapbook.extras import from_extra, install_command


def without(packages, code):
    """Last line that a new Python writes which cannot import some packages."""
    block = f"import sys\nfor name in {packages!r}:\n    sys.modules[name] = None\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, check=False
    )
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("packages", "code", "sentence"),
    [
        (
            ["IPython"],
            "from gapbook.press import record",
            "gapbook.press.record needs IPython, which is not installed; for all that "
            "gapbook[chapters] needs: python -m pip install ",
        ),
        (
            ["seaborn"],
            "import pandas\nfrom gapbook.plots import gap_by_epoch\n"
            "gap_by_epoch(pandas.DataFrame())",
            "this figure needs seaborn, which is not installed; for all that gapbook[chapters]",
        ),
        (
            ["umap"],
            "import numpy\nfrom gapbook.projections import project\n"
            "project(numpy.eye(3), numpy.eye(3), method='umap')",
            "UMAP needs umap, which is not installed; for all that gapbook[chapters] needs: ",
        ),
        (
            ["torch"],
            "from gapbook.encoders import random_clip",
            "An encoder needs torch, which is not installed; for all that gapbook[models] needs: "
            "python -m pip install 'pillow",
        ),
        (
            ["torch"],
            "from gapbook.training import train",
            "Training needs torch, which is not installed; for all that gapbook[models] needs: ",
        ),
        (
            ["torch"],
            "from gapbook.modalities import train_modalities",
            "needs torch, which is not installed; for all that gapbook[models] needs: ",
        ),
        (
            ["torch"],
            "from gapbook.cone import cap_fraction",
            "gapbook.cone needs torch, which is not installed; for all that gapbook[models] needs",
        ),
        (
            ["torch"],
            "from gapbook.simulation import sphere_loss",
            "gapbook.simulation needs torch, which is not installed; for all that gapbook[models]",
        ),
    ],
    ids=["IPython", "seaborn", "umap", "encoders", "training", "modalities", "cone", "simulation"],
)
def test_a_missing_package_names_its_extra(packages, code, sentence):
    assert sentence in without(packages, code)


def test_making_the_book_without_its_packages_is_one_sentence(tmp_path):
    code = "import runpy\nsys.argv = ['press', 'book']\n"
    code += "runpy.run_module('gapbook.press', run_name='__main__')"
    line = without(["psutil", "papermill"], code)
    assert line.startswith("making the book needs ")
    assert "gapbook[book] needs: python -m pip install " in line


def test_packages_of_an_extra_include_those_of_the_extras_within_it():
    command = install_command("chapters")
    for package in ("umap-learn", "transformers", "dask"):
        assert package in command
    assert "gapbook" not in command


def test_errors_of_packages_that_are_there_pass(tmp_path):
    with pytest.raises(ImportError, match="cannot import name 'no_such_name'") as caught:
        with from_extra("models", "this"):
            from json import no_such_name  # noqa: F401
    assert not isinstance(caught.value, MissingPackageError)

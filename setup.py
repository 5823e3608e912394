"""The list of packages, which pyproject.toml cannot both find and complete; all else stands there."""

from setuptools import find_packages, setup

# ``data/`` lies beside the package, where people look for it, and is installed inside it
setup(packages=[*find_packages(include=["gapbook", "gapbook.*"]), "gapbook.data"])

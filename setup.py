"""The list of packages: pyproject.toml can find it or name it, not both."""

from setuptools import find_packages, setup

# ``data/`` lies beside the package, where people look for it, and is installed inside it
setup(packages=[*find_packages(include=["gapbook", "gapbook.*"]), "gapbook.data"])

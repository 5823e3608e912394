from pathlib import Path

import pytest

from gapbook.press.digest import digest, surroundings


@pytest.fixture
def package(tmp_path):
    """Folder with a module and a baseline."""
    (tmp_path / "science.py").write_text("1")
    (tmp_path / "expected.yml").write_text("1")
    return tmp_path


def test_a_digest_depends_on_names_contents_and_facts(package):
    module = package / "science.py"
    before = digest([module], "fact")
    assert digest([module], "fact") == before
    assert digest([module], "other") != before
    module.write_text("2")
    changed = digest([module], "fact")
    assert changed != before
    assert digest([module.rename(package / "renamed.py")], "fact") != changed


def test_surroundings_change_with_the_package_but_not_with_baselines_and_bytecode(package):
    before = surroundings([package])
    (package / "expected.yml").write_text("2")
    (package / "expected-full.yml").write_text("2")
    (package / "science.pyc").write_text("2")
    assert surroundings([package]) == before
    (package / "science.py").write_text("2")
    assert surroundings([package]) != before


@pytest.mark.parametrize(
    "name", [".science.py.swp", ".ipynb_checkpoints/science.py", "science.py~", "#science.py#"]
)
def test_what_editors_leave_beside_the_sources_does_not_count(package, name):
    before = surroundings([package])
    path = package / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("2")
    assert surroundings([package]) == before


def test_of_python_the_code_counts_and_comments_do_not(package):
    module = package / "science.py"
    module.write_text("x = 1  # one\n")
    before = surroundings([package])
    module.write_text("# the first number\nx = (1)\n")
    assert surroundings([package]) == before
    module.write_text("x = 2\n")
    assert surroundings([package]) != before
    module.write_text("x =\n")
    broken = surroundings([package])
    module.write_text("x ==\n")
    assert surroundings([package]) != broken


def test_the_list_of_packages_does_not_depend_on_where_python_starts(tmp_path, monkeypatch):
    before = digest([])
    info = tmp_path / "gapbook.egg-info" / "PKG-INFO"
    info.parent.mkdir()
    info.write_text("Metadata-Version: 2.1\nName: gapbook\nVersion: 0.0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert digest([]) == before
    monkeypatch.syspath_prepend(Path(pytest.__file__).parents[1])
    assert digest([]) == before
    other = tmp_path / "other-1.0.dist-info" / "METADATA"
    other.parent.mkdir()
    other.write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    assert digest([]) != before


def test_the_package_and_its_data_count():
    assert surroundings() != surroundings([])

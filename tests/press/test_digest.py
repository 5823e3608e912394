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


def test_the_package_and_its_data_count():
    assert surroundings() != surroundings([])

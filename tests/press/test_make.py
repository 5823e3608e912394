import pytest

from gapbook.press.make import unused_data
from gapbook.published import registry

NAME = registry()["clasp-uniprot"]["file"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Folder that the variable names; it does not exist yet."""
    folder = tmp_path / "mine"
    monkeypatch.setenv("GAPBOOK_DATA", str(folder))
    return folder


def test_a_missing_folder_of_data_is_named(mine):
    note = f"GAPBOOK_DATA is {mine}, which is no folder, so nothing is read from there"
    assert unused_data() == [note]


def test_a_folder_without_published_files_is_named(mine):
    mine.mkdir()
    (mine / "other.npz").touch()
    [note] = unused_data()
    assert note.startswith(f"GAPBOOK_DATA is {mine}, which holds none of ") and NAME in note


def test_a_damaged_file_is_named(mine):
    (mine / NAME).parent.mkdir(parents=True)
    (mine / NAME).write_text("damaged")
    [note] = unused_data()
    assert note.startswith(f"{mine / NAME} has the wrong sha256: ")
    assert note.endswith(", so it is not used")


def test_without_the_variable_there_is_nothing_to_say(monkeypatch):
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    assert unused_data() == []

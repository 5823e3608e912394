import pytest

from gapbook.press import PressError
from gapbook.press.make import run_command, unused_data
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


@pytest.mark.parametrize(
    ("command", "profile", "message"),
    [
        ("regress", "quick", "the profile quick has no parts: PROFILE=full ONLY=svhn"),
        ("accept", "full", "accept is about a whole profile; leave out --only svhn"),
        ("execute", "full", "execute is about a whole profile; leave out --only svhn"),
    ],
)
def test_a_part_of_what_has_none_is_refused(book, command, profile, message):
    with pytest.raises(PressError) as caught:
        run_command(command, profile=profile, only=["svhn"])
    assert str(caught.value) == message


@pytest.mark.book
def test_a_regression_of_another_profile_goes_on_and_that_of_quick_runs_all_afresh(book, capsys):
    book.save("01_a", "n_seeds")
    book.write("profiles/full.yml", "01_a: {n_seeds: 5}")
    for profile, again in (("full", "01_a: unchanged"), ("quick", "01_a: executed in")):
        run_command("regress", profile=profile)
        assert "01_a: executed in" in capsys.readouterr().out
        run_command("regress", profile=profile)
        assert again in capsys.readouterr().out

import pytest
import yaml
from helpers import sha256
from local_site import serving

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


# ---- a profile with sources


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server with the files of two sources; a third is registered and missing."""
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as site:
        entries = {}
        for name in ("one", "two", "gone"):
            body = name.encode()
            entries[name] = {
                "kind": "file",
                "file": f"{name}.txt",
                "url": site.url(name),
                "sha256": sha256(body),
                "bytes": len(body),
                "license": "none",
            }
            if name != "gone":
                site.serve(name, body)
        (tmp_path / "registry.yml").write_text(yaml.safe_dump(entries))
        monkeypatch.setenv("GAPBOOK_REGISTRY", str(tmp_path / "registry.yml"))
        yield site


PROFILE = """
01_a: {with sources: [{n_seeds: {source: one}}]}
02_b: {with sources: [{n_seeds: {source: two}}]}
03_c: {with sources: [{n_seeds: {source: gone}}]}
"""


@pytest.fixture
def full(book):
    """Three notebooks that read the file that a parameter names, if one does."""
    for name in ("01_a", "02_b", "03_c"):
        book.save(name, "open(n_seeds).read() if n_seeds != 2 else 'nothing'")
    book.write("profiles/full.yml", PROFILE)
    return book


def results(book, run):
    pages = sorted((book.folder / "_build" / run).glob("0*.ipynb"))
    return {page.stem: book.executed(page.stem, run).cells[-1].outputs[0].data for page in pages}


@pytest.mark.book
def test_a_profile_says_what_it_needs_and_fetches_it_and_leaves_out_what_there_is_not(
    full, site, capsys
):
    run_command("regress", profile="full", pause=0)
    shown = capsys.readouterr()
    needs, _, rest = shown.out.partition("01_a: started")
    assert "one                      3 bytes to download" in needs
    assert "in all 10 bytes to download" in needs
    assert rest
    assert {name: data["text/plain"] for name, data in results(full, "executed-full").items()} == {
        "01_a": "'one'",
        "02_b": "'two'",
        "03_c": "'nothing'",
    }
    # Said before the long run, and at its end again.
    assert shown.err.count("cannot be had: cannot download gone.txt from") == 2
    assert shown.err.count("note: 03_c runs without n_seeds: no gone") == 2
    # What was fetched is used without the server, by other commands, too.
    asked = len(site.asked)
    capsys.readouterr()
    run_command("execute", profile="full")
    assert len(site.asked) == asked
    assert capsys.readouterr().out.count("unchanged") == 3


@pytest.mark.book
def test_a_part_runs_only_what_needs_its_sources(full, site):
    run_command("regress", profile="full", only=["two"], pause=0)
    assert list(results(full, "executed-full-two")) == ["02_b"]
    assert {name for name, _ in site.asked} == {"two"}


def test_where_nothing_can_be_had_nothing_runs(full, site, capsys):
    site.files.clear()
    with pytest.raises(PressError, match="none of the sources of profile full can be had:\n  can"):
        run_command("regress", profile="full", pause=0)
    assert "started" not in capsys.readouterr().out


def test_another_file_than_the_registered_one_stops_before_anything_runs(full, site, capsys):
    site.serve("two", b"TWO")
    with pytest.raises(PressError, match=r"two\.txt from .* has the wrong sha256: expected"):
        run_command("regress", profile="full", pause=0)
    assert "started" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "profile", "message"),
    [
        ("regress", "quick", "the profile quick uses no sources: PROFILE=full ONLY=two"),
        ("accept", "full", "accept is about a whole profile; leave out --only two"),
    ],
)
def test_a_part_of_what_has_none_is_refused(full, site, command, profile, message):
    with pytest.raises(PressError) as caught:
        run_command(command, profile=profile, only=["two"])
    assert str(caught.value) == message

"""Which parts of the paper's own scale run here, and why the others do not."""

import pytest
import yaml
from helpers import sha256
from local_site import serving

pytest.importorskip("gapbook.full_scale.parts")

from gapbook.press import PressError
from gapbook.press.paper_scale import PaperScale
from gapbook.press.profiles import Profile

PARTS = {"temperature": 1, "landscape": 15, "svhn": 110, "faces": 20, "fine_tuned": 120}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, where nothing is at hand, no hub answers, and there is no GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    return tmp_path


def scale(*only, parts=PARTS):
    return PaperScale(Profile("full", {}, {"01_a": 30}, parts), only)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["landscape"], ["landscape"]),
        (["clip-vit-base-patch32"], ["temperature", "landscape", "faces"]),
        (["coco"], ["landscape", "faces", "fine_tuned"]),
        (["svhn-test", "fairface"], ["svhn", "faces"]),
        ([], list(PARTS)),
    ],
)
def test_a_part_is_named_by_itself_or_by_what_it_needs(here, words, names):
    assert scale(*words).names == names


def test_what_trains_is_left_out_without_a_gpu_and_its_data_are_not_fetched(here):
    chosen = scale("coco")
    assert chosen.left_out == {"fine_tuned": "it trains CLIP, and this machine has no GPU"}
    assert chosen.sources() == [
        "coco-val2017",
        "coco-annotations",
        "clip-vit-base-patch32",
        "fairface",
    ]


def test_finished_trainings_are_gathered_without_a_gpu(here):
    (here / "_build" / "full_scale" / "runs").mkdir(parents=True)
    (here / "_build" / "full_scale" / "runs" / "tau_1_10-0.json").write_text("{}")
    chosen = scale("fine_tuned")
    assert (chosen.left_out, chosen.sources()) == ({}, [])


def test_all_names_what_only_a_person_can_get_and_the_embeddings_of_chapters(here):
    chosen = scale()
    assert "by hand" in chosen.left_out["hateful-memes"]
    assert "clasp-uniprot" in chosen.sources()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("landscap", "unknown part or source 'landscap'; did you mean 'landscape'?"),
        ("clasp-uniprot", "no part needs clasp-uniprot; they need clip-vit-base-patch32, coco-"),
        ("eurosat", "profile full does not measure eurosat; it measures temperature, landscape, "),
    ],
)
def test_a_part_that_there_is_not_is_named(here, word, message):
    with pytest.raises(PressError) as caught:
        scale(word)
    assert str(caught.value).startswith(message)


def test_an_unknown_part_of_a_profile_is_named(here):
    with pytest.raises(PressError, match=r"full\.yml has a part 'svhm'; did you mean 'svhn'\?"):
        scale(parts={"svhm": 1})


def test_where_nothing_can_be_had_the_reasons_are_said(here, capsys):
    with pytest.raises(PressError) as caught:
        scale("temperature", "fine_tuned").prepare(pause=0)
    title, *reasons = str(caught.value).splitlines()
    assert title == ("nothing of profile full, only temperature, fine_tuned can be measured here:")
    assert reasons[0].startswith("  temperature: ")
    assert reasons[1] == "  fine_tuned: it trains CLIP, and this machine has no GPU"
    assert "about 1 min" in capsys.readouterr().out


def test_another_file_than_the_registered_one_stops_everything(here, monkeypatch):
    with serving() as site:
        site.serve("svhn", b"other")
        entry = {"url": site.url("svhn"), "sha256": sha256(b"svhn"), "bytes": 5}
        (here / "registry.yml").write_text(yaml.safe_dump({"svhn-test": entry}))
        monkeypatch.setenv("GAPBOOK_REGISTRY", str(here / "registry.yml"))
        with pytest.raises(PressError, match=r"test_32x32\.mat from .* has the wrong sha256"):
            scale("svhn").prepare(pause=0)

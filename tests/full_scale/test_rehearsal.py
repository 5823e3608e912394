"""A dress rehearsal: every fact that needs data or checkpoints, measured on stand-ins."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml
from full_scale.stand_ins import MODELS, TRAIN_IMAGES, VAL_IMAGES
from nbformat.v4 import new_code_cell, new_notebook

from gapbook.checkpoints import read_checkpoint
from gapbook.full_scale.__main__ import main
from gapbook.full_scale.cannot_be_had import CANNOT_BE_HAD
from gapbook.full_scale.inputs import Inputs
from gapbook.full_scale.parts import PARTS
from gapbook.full_scale.results import read_results
from gapbook.full_scale.runs import Scale, experiments, train_all
from gapbook.press import compare, experiment_of, load_full
from gapbook.press.make import run_command
from gapbook.press.paper import Fact, reported
from gapbook.press.paper_scale import FOLDER, RESULTS
from gapbook.published import registry

pytestmark = pytest.mark.slow

# Small runs: 3 steps an epoch.
PAIRS = 24
BATCH_SIZE = 8
SMALL = Scale(PAIRS, BATCH_SIZE, epochs=1, save_every=1)


def open_facts() -> dict[str, Fact]:
    """Facts and curves that need what does not come with the book, and can be had."""
    return {
        key: fact
        for key, fact in reported().items()
        if fact.needs and fact.needs not in registry() and key not in CANNOT_BE_HAD
    }


def options(places: dict[str, str], *sources: str) -> list[str]:
    """Return the options that name some sources, by default all."""
    named = sources or tuple(places)
    return [word for s in named for word in (f"--{s.replace('_', '-')}", places[s])]


@pytest.fixture(scope="module")
def rehearsed(
    places: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """A project after small trainings and ``make regress PROFILE=full``, and what that printed."""
    project = tmp_path_factory.mktemp("rehearsal")
    (project / "data").mkdir()
    (project / "book" / "profiles").mkdir(parents=True)
    profile = {"01_a": {"n": 5}, "parts": dict.fromkeys(PARTS, 10)}
    (project / "book" / "profiles" / "full.yml").write_text(yaml.safe_dump(profile))
    parameters = new_code_cell("n = 2", metadata={"tags": ["parameters"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
    chapter = new_notebook(cells=[parameters, new_code_cell("n")], metadata=kernel)
    nbformat.write(chapter, project / "book" / "01_a.ipynb")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        small_trainings(places, project / FOLDER)
        with contextlib.redirect_stdout(printed):
            run_command("regress", profile="full", pause=0)
        yield project, printed.getvalue()


def small_trainings(places: dict[str, str], folder: Path) -> None:
    """Train all that parts gather: two seeds of figure 8, three of section 4.4."""
    tuned = ["finetune", *options(places, "coco", "clip_b16", "cifar10"), "--folder", str(folder)]
    tuned += ["--pairs", str(PAIRS), "--batch-size", str(BATCH_SIZE), "--quiet"]
    assert main([*tuned, "--only", "tau", "--seeds", "0", "1"]) == 0
    assert main([*tuned, "--only", "start"]) == 0


@pytest.fixture(scope="module")
def kept(rehearsed: tuple[Path, str]) -> Path:
    """The folder where embeddings, trainings and results are kept."""
    return rehearsed[0] / FOLDER


@pytest.fixture(scope="module")
def results(rehearsed: tuple[Path, str]) -> dict[str, Any]:
    return read_results(rehearsed[0] / RESULTS)


def test_all_is_said_fetched_executed_measured_and_compared(rehearsed: tuple[Path, str]) -> None:
    project, printed = rehearsed
    needs, executed, measured = re.split(r"(?m)^(?:01_a|temperature): ", printed, maxsplit=2)
    assert needs.startswith("profile full needs\n  clip-vit-base-patch32    at hand: ")
    assert re.search("  clasp-uniprot +of unknown size; MIT", needs)
    assert "  about 2 hours on two CPU cores" in needs
    assert "hateful-memes cannot be had: its license must be accepted by hand" in needs
    assert executed.startswith("started")
    chapter = nbformat.read(project / "_build" / "executed-full" / "01_a.ipynb", as_version=4)
    assert chapter.cells[-1].outputs[0].data["text/plain"] == "5"
    for name, part in list(PARTS.items())[1:]:
        assert f"\n{name}: {part.what}\n" in measured
    verdicts = measured.partition("clip.logit_scale")[0].splitlines()[-1]
    assert verdicts.split() == ["differs"]
    # At the end again, with what no address had.
    assert "hateful-memes cannot be had" in measured
    assert "clasp-uniprot cannot be had: cannot download features_clasp.npy" in measured


def test_each_open_experiment_is_settled_by_the_part_that_its_command_names(
    results: dict[str, Any],
) -> None:
    for key in open_facts():
        command = experiment_of(key).command
        assert command == f"make regress PROFILE=full ONLY={results['facts'][key]['part']}"


def test_a_part_alone_reads_what_was_embedded_and_runs_no_chapter(
    rehearsed: tuple[Path, str],
    kept: Path,
    results: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chunks = sorted((kept / "embeddings").rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in chunks]
    run_command("regress", profile="full", only=["landscape", "svhn-test"], pause=0)
    shown = capsys.readouterr().out
    assert shown.startswith("profile full, only landscape, svhn needs\n")
    assert "01_a" not in shown
    assert f"not as in the paper: {VAL_IMAGES} images of COCO instead of 5,000" in shown
    assert re.search(r"(?m)^  needs data +fig3\.gap_default$", shown)
    assert "fig2a" not in shown
    assert read_results(rehearsed[0] / RESULTS)["facts"] == results["facts"]
    assert sorted((kept / "embeddings").rglob("*.npy")) == chunks
    assert [path.stat().st_mtime_ns for path in chunks] == times


def test_every_fact_that_can_be_had_is_recorded_and_no_other(results: dict[str, Any]) -> None:
    assert set(results["facts"]) == set(open_facts())


def test_values_have_the_shapes_of_the_paper_s_and_are_finite(results: dict[str, Any]) -> None:
    for key, fact in open_facts().items():
        value = results["facts"][key]["value"]
        if isinstance(fact.value, str):
            assert value in ("up", "down", "not moved"), key
            continue
        assert np.shape(value) == np.shape(fact.value), key
        assert np.isfinite(np.asarray(value, float)).all(), key


def test_every_value_can_be_judged(results: dict[str, Any]) -> None:
    for key, fact in open_facts().items():
        stated = results["facts"][key]
        if fact.tolerance is None:
            assert "tolerance" in stated, key
            assert stated["why"], key
            shape = np.shape(stated["tolerance"])
            assert shape in ((), np.shape(stated["value"])), key


def test_results_say_when_and_where_and_what_is_not_as_in_the_paper(
    results: dict[str, Any],
) -> None:
    assert set(results["parts"]) == set(PARTS)
    for name, part in results["parts"].items():
        assert {"date", "commit", "hardware", "versions", "seconds", "inputs"} <= set(part), name
    notes = results["parts"]["landscape"]["not_as_in_paper"]
    assert notes == [f"{VAL_IMAGES} images of COCO instead of 5,000"]
    assert results["parts"]["fine_tuned"]["not_as_in_paper"] == [
        f"{PAIRS} pairs for training instead of 50,000",
        f"{BATCH_SIZE} pairs in a batch instead of 64",
    ]


def test_both_forms_of_fairface_give_the_same_facts(
    places: dict[str, str], kept: Path, results: dict[str, Any], fetched: Any, tmp_path: Path
) -> None:
    hub = places | {"fairface": str(fetched("fairface-parquet").parent)}
    out = tmp_path / "full.yml"
    command = ["facts", *options(hub, "coco", "clip_b32", "fairface"), "--only", "faces"]
    assert main([*command, "--folder", str(tmp_path), "--out", str(out), "--quiet"]) == 0
    for key, stated in read_results(out)["facts"].items():
        assert stated["value"] == results["facts"][key]["value"], key


def test_a_checkpoint_of_the_hub_s_cache_is_read_by_name_and_commit(
    stand_ins: Path,
    results: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(stand_ins / "hub"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    # Nothing listens there.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    out = tmp_path / "full.yml"
    command = ["facts", "--clip-b32", "@".join(MODELS["clip_b32"]), "--quiet"]
    assert main([*command, "--folder", str(tmp_path), "--out", str(out)]) == 0
    own = read_results(out)["facts"]
    assert own["clip.logit_scale"]["value"] == results["facts"]["clip.logit_scale"]["value"]


def test_what_was_fetched_need_not_be_named(
    places: dict[str, str], results: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "full.yml"
    command = ["facts", "--fetched", *options(places, "clip_b16", "clip_b32"), "--quiet"]
    command += ["--folder", str(tmp_path), "--out", str(out), "--only", "landscape", "svhn"]
    assert main(command) == 0
    own = read_results(out)["facts"]
    for key in ("fig3.gap_default", "table1.SVHN.modified"):
        assert own[key]["value"] == results["facts"][key]["value"]


def test_fewer_networks_leave_out_figure_2c(places: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "full.yml"
    command = ["facts", *options(places, "coco", "clip_b32", "resnet18"), "--networks", "2"]
    command += ["--folder", str(tmp_path), "--out", str(out), "--quiet"]
    assert main([*command, "--only", "random_cones"]) == 0
    facts = read_results(out)["facts"]
    assert "fig2a.random_real.resnet18.mean" in facts
    assert not [key for key in facts if key.startswith("fig2c")]


# ---- trainings


def test_an_interrupted_training_goes_on_to_the_same_result(
    places: dict[str, str], kept: Path, tmp_path: Path
) -> None:
    def interrupt(epoch: int, step: int) -> None:
        if step == 2:
            raise KeyboardInterrupt

    inputs = Inputs(tmp_path, places)
    for pattern in ("tau_1_100-0", "start_amended-0"):
        with pytest.raises(KeyboardInterrupt):
            list(train_all(inputs, pattern, (0,), SMALL, after_step=interrupt))
        assert not (tmp_path / "runs" / f"{pattern}.json").exists()
        assert list(train_all(inputs, pattern, (0,), SMALL)) == [pattern]
        whole, tensors = read_checkpoint(kept / "runs" / f"{pattern}.checkpoint")
        resumed, own = read_checkpoint(tmp_path / "runs" / f"{pattern}.checkpoint")
        assert resumed["history"] == whole["history"]
        assert set(own) == set(tensors)
        for name, tensor in tensors.items():
            assert own[name].equal(tensor), name


def test_finished_trainings_are_not_trained_again(places: dict[str, str], kept: Path) -> None:
    def refuse(epoch: int, step: int) -> None:
        raise AssertionError(f"step {step} is taken again")

    done = list(train_all(Inputs(kept, places), "", (0, 1), SMALL, after_step=refuse))
    assert len(done) == 2 * len(experiments())


def test_two_processes_train_as_one_does(
    places: dict[str, str], kept: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    command += ["-m", "gapbook.full_scale", "finetune"]
    command += options(places, "coco", "clip_b16", "cifar10")
    command += ["--folder", str(tmp_path), "--pairs", str(PAIRS), "--batch-size", str(BATCH_SIZE)]
    command += ["--only", "tau_1_10-0", "--device", "cpu", "--quiet"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("finished tau_1_10-0") == 1
    alone, tensors = read_checkpoint(kept / "runs" / "tau_1_10-0.checkpoint")
    shared, own = read_checkpoint(tmp_path / "runs" / "tau_1_10-0.checkpoint")
    for row, other in zip(alone["history"], shared["history"], strict=True):
        assert other == pytest.approx(row, abs=1e-5)
    scale = "model.logit_scale"
    assert own[scale].item() == pytest.approx(tensors[scale].item(), abs=1e-7)
    momenta = [name for name in tensors if name.endswith("exp_avg")]
    for name in momenta:
        assert np.allclose(own[name], tensors[name], atol=1e-6), name


# ---- what is missing or wrong


def sentence(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """Run a command that fails, and return the one sentence that it prints."""
    assert main([*command, "--quiet"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("gapbook.full_scale: ")
    return lines[0]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[list[str]]:
    yield ["--folder", str(tmp_path / "kept"), "--out", str(tmp_path / "full.yml")]
    assert not (tmp_path / "full.yml").exists()


def test_nothing_at_hand_is_one_sentence(
    capsys: pytest.CaptureFixture[str], elsewhere: list[str]
) -> None:
    assert "no part has all that it needs" in sentence(capsys, "facts", *elsewhere)


def test_an_unknown_part_is_named_with_the_nearest(
    capsys: pytest.CaptureFixture[str], elsewhere: list[str]
) -> None:
    said = sentence(capsys, "facts", "--only", "landscap", *elsewhere)
    assert "did you mean 'landscape'?" in said


def test_a_part_names_what_it_lacks(
    capsys: pytest.CaptureFixture[str], elsewhere: list[str], places: dict[str, str]
) -> None:
    given = options(places, "clip_b32")
    said = sentence(capsys, "facts", "--only", "landscape", *given, *elsewhere)
    assert "Expected --coco, a folder with annotations" in said


@pytest.mark.parametrize(
    ("part", "source", "expected"),
    [
        ("landscape", "coco", "Expected annotations/captions_val2017.json in"),
        ("landscape", "clip_b32", "has no .safetensors weights"),
        ("pretrained_cones", "resnet18", "Expected model.safetensors of timm/resnet18.tv_in1k"),
        ("cifar10", "cifar10", "Expected test_batch.bin in"),
        ("cifar100", "cifar100", "Expected test.bin in"),
        ("svhn", "svhn", "Expected test_32x32.mat in"),
        ("eurosat", "eurosat", "Expected a folder of images for each class"),
        ("faces", "fairface", "Expected fairface_label_val.csv and the images of val, or"),
        ("fine_tuned", "", "Expected finished runs of tau_1_10 in"),
        ("amended_starts", "", "Expected finished runs of start_original in"),
    ],
)
def test_a_wrong_folder_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
    elsewhere: list[str],
    places: dict[str, str],
    tmp_path: Path,
    part: str,
    source: str,
    expected: str,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    wrong = places | ({source: str(empty)} if source else {})
    said = sentence(capsys, "facts", "--only", part, *options(wrong), *elsewhere)
    assert expected in said


def test_a_missing_picture_is_named(
    capsys: pytest.CaptureFixture[str], elsewhere: list[str], places: dict[str, str], tmp_path: Path
) -> None:
    coco = tmp_path / "coco"
    (coco / "val2017").mkdir(parents=True)
    (coco / "annotations").symlink_to(Path(places["coco"]) / "annotations")
    for path in sorted((Path(places["coco"]) / "val2017").glob("*.jpg"))[1:]:
        (coco / "val2017" / path.name).write_bytes(path.read_bytes())
    given = options(places | {"coco": str(coco)})
    said = sentence(capsys, "facts", "--only", "landscape", *given, *elsewhere)
    assert f"1 of {VAL_IMAGES} are missing (first: '000000000000.jpg')" in said


def test_too_few_training_pairs_and_a_pattern_of_no_run_are_named(
    capsys: pytest.CaptureFixture[str], places: dict[str, str], tmp_path: Path
) -> None:
    given = [*options(places, "coco", "clip_b16"), "--folder", str(tmp_path)]
    said = sentence(capsys, "finetune", *given)
    assert f"Expected at least 50,000 captioned images in train2017 of {places['coco']}" in said
    assert f"got {TRAIN_IMAGES}" in said
    assert "such as tau_1_10-0" in sentence(capsys, "finetune", *given, "--only", "tau_7")


def test_the_checkpoint_of_another_recipe_is_named(
    capsys: pytest.CaptureFixture[str], places: dict[str, str], kept: Path, tmp_path: Path
) -> None:
    name = "tau_1_10-0.checkpoint"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / name).write_bytes((kept / "runs" / name).read_bytes())
    given = [*options(places, "coco", "clip_b16"), "--folder", str(tmp_path)]
    given += ["--pairs", "16", "--batch-size", "8", "--only", "tau_1_10-0"]
    assert f"{name} is of" in sentence(capsys, "finetune", *given)


def test_parts_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PARTS)


def test_the_file_of_results_is_yaml_with_a_header(rehearsed: tuple[Path, str]) -> None:
    text = (rehearsed[0] / RESULTS).read_text()
    assert text.startswith("# The paper's experiments at its own scale")
    assert set(yaml.safe_load(text)) == {"parts", "facts", "own"}


def test_the_scoreboard_judges_every_value(rehearsed: tuple[Path, str], tmp_path: Path) -> None:
    full = load_full(rehearsed[0] / RESULTS)
    assert full is not None
    # Stand-ins are not of the paper's scale, but for what has none.
    assert set(full.records) == {"clip.logit_scale"}
    content = yaml.safe_load((rehearsed[0] / RESULTS).read_text())
    for part in content["parts"].values():
        part.pop("not_as_in_paper", None)
    path = tmp_path / "full.yml"
    path.write_text(yaml.safe_dump(content))
    verdicts = compare({}, load_full(path)).set_index("id").verdict
    assert set(verdicts[list(open_facts())]) <= {"reproduced", "differs", "erratum"}
    assert set(verdicts[list(CANNOT_BE_HAD)]) == {"cannot be had"}

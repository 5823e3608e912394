"""Checkpoints of trainings: what is resumed, what is refused, and what a full disk leaves."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gapbook.checkpoints import read_checkpoint, resume_checkpoint, save_checkpoint
from gapbook.exceptions import PairsError

RECIPE = {"tau": 0.05, "seed": 0}
Trained = tuple[torch.nn.Module, torch.optim.Optimizer]


@pytest.fixture
def network() -> Callable[[int], Trained]:
    """Function of a seed that makes two layers which share their weights, one step trained."""

    def make(seed: int) -> Trained:
        torch.manual_seed(seed)
        layer = torch.nn.Linear(3, 3)
        model = torch.nn.Sequential(layer, layer)
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        return model, optimizer

    return make


def test_weights_states_and_notes_come_back(
    network: Callable[[int], Trained], tmp_path: Path
) -> None:
    path = tmp_path / "run.checkpoint"
    model, optimizer = network(0)
    notes = {"recipe": RECIPE, "history": [{"epoch": 0, "loss": None}]}
    save_checkpoint(path, model, optimizer, notes)
    resumed, own = network(1)
    assert resume_checkpoint(path, resumed, own, RECIPE) == notes
    assert torch.equal(resumed[0].weight, model[0].weight)  # type: ignore[index]
    assert resumed[0] is resumed[1]  # type: ignore[index]
    states = optimizer.state_dict()["state"]
    for i, state in own.state_dict()["state"].items():
        assert state.keys() == states[i].keys()
        assert all(torch.equal(value, states[i][name]) for name, value in state.items())


def test_the_checkpoint_of_another_recipe_is_refused(
    network: Callable[[int], Trained], tmp_path: Path
) -> None:
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, *network(0), {"recipe": RECIPE})
    sentence = r"Expected a checkpoint of .*0.1.*run\.checkpoint is of .*0.05.*: delete it, or keep"
    model, optimizer = network(1)
    before = model[0].weight.clone()  # type: ignore[index, operator]
    with pytest.raises(PairsError, match=sentence):
        resume_checkpoint(path, model, optimizer, RECIPE | {"tau": 0.1})
    assert torch.equal(model[0].weight, before)  # type: ignore[index, arg-type]


@pytest.mark.parametrize("content", [b"no checkpoint", b"", None])
def test_what_is_no_checkpoint_is_refused(
    network: Callable[[int], Trained], tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, *network(0), {"recipe": RECIPE})
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with pytest.raises(PairsError, match=r"run\.checkpoint is no checkpoint, or damaged") as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_full_disk_leaves_the_earlier_checkpoint(
    network: Callable[[int], Trained], tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    path = tmp_path / "run.checkpoint"
    save_checkpoint(path, *network(0), {"recipe": RECIPE})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*run\.checkpoint \(.*File too"):
            save_checkpoint(path, *network(1), {"recipe": RECIPE})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]

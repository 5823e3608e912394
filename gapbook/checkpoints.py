"""Trainings that are kept on the disk, so that an interrupted run goes on where it was.

A checkpoint is a safetensors file: weights under ``model.`` and their names, the states of Adam
under ``adam.``, the number of the weight and their names, and notes as JSON in its metadata. Notes
have the recipe, which tells the checkpoints of two runs apart, and how far the run has come.
"""

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open

from gapbook.exceptions import PairsError, one_line
from gapbook.extras import from_extra
from gapbook.files import path_text, whole_file

with from_extra("models", "Training"):
    import torch
    from safetensors.torch import save_file

MODEL = "model."
ADAM = "adam."


class Weights(Protocol):
    """What can be saved and resumed: a module, with all its weights and buffers by name."""

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """Return all weights and buffers by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take over weights and buffers.

        Parameters
        ----------
        state_dict : mapping of str to torch.Tensor
            All weights and buffers by name.
        """


def save_checkpoint(
    path: Path, model: Weights, optimizer: torch.optim.Optimizer, notes: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all: an interruption leaves the earlier one.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    model : Weights
        What is trained.
    optimizer : torch.optim.Optimizer
        Adam or AdamW, with its states.
    notes : mapping
        What JSON can hold: "recipe", and how far the run has come.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    tensors = {f"{MODEL}{name}": value for name, value in model.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{ADAM}{i}.{name}": value for name, value in state.items()}
    # The format knows no tensors that share memory, as those of a shared tower do.
    copies = {name: value.to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    with whole_file(path) as temporary:
        try:
            save_file(copies, temporary, {"notes": json.dumps(notes)})
        except SafetensorError as error:
            # A full disk is an error of the library's own, which says so in its words.
            raise OSError(errno.EIO, one_line(str(error), 200)) from None


def resume_checkpoint(
    path: Path, model: Weights, optimizer: torch.optim.Optimizer, recipe: Mapping[str, Any]
) -> dict[str, Any]:
    """Take up a run where its checkpoint left it.

    Parameters
    ----------
    path : pathlib.Path
        What ``save_checkpoint`` wrote.
    model : Weights
        Takes over the weights.
    optimizer : torch.optim.Optimizer
        Takes over the states.
    recipe : mapping
        The recipe of this run.

    Returns
    -------
    dict
        The notes of the checkpoint.

    Raises
    ------
    PairsError
        For the checkpoint of another recipe, or a file that is none.
    """
    notes, tensors = read_checkpoint(path)
    if notes["recipe"] != recipe:
        raise PairsError(
            f"Expected a checkpoint of {recipe}; {path_text(path)} is of {notes['recipe']}: "
            "delete it, or keep this run elsewhere"
        )
    weights = {}
    state = optimizer.state_dict()
    for key, value in tensors.items():
        if key.startswith(MODEL):
            weights[key.removeprefix(MODEL)] = value
        else:
            i, _, name = key.removeprefix(ADAM).partition(".")
            state["state"].setdefault(int(i), {})[name] = value
    model.load_state_dict(weights)
    optimizer.load_state_dict(state)
    return notes


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read a checkpoint.

    Parameters
    ----------
    path : pathlib.Path
        What ``save_checkpoint`` wrote.

    Returns
    -------
    notes : dict
        "recipe", and how far the run has come.
    tensors : dict of str to torch.Tensor
        Weights by "model." and their names, states of the optimizer by "adam.".

    Raises
    ------
    PairsError
        For a file that is none.
    """
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads(file.metadata()["notes"])
            # The file knows its keys, but cannot be iterated over.
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise PairsError(
            f"{path_text(path)} is no checkpoint, or damaged ({one_line(str(error), 200)}); delete "
            "it, and the run starts again"
        ) from None
    return notes, tensors

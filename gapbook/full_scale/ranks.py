"""Several processes that train one model, as ``torchrun`` starts them: who is who, and sums."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple, TypeVar

import torch
import torch.distributed as dist

# What one process does alone, such as preparing images, the others wait for.
LONGEST_WAIT = timedelta(hours=12)

Made = TypeVar("Made")


class Ranks(NamedTuple):
    """Which of how many processes this one is."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


def device_of_rank(name: str) -> str:
    """Return the name of the device that this process uses.

    Parameters
    ----------
    name : str
        What the command line names; nothing for the default.

    Returns
    -------
    str
        With several processes and GPUs, the GPU of this process.
    """
    local = os.environ.get("LOCAL_RANK")
    if name or local is None or not torch.cuda.is_available():
        return name
    return f"cuda:{local}"


ALONE = Ranks()


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; without it, be the only one.

    Parameters
    ----------
    device : torch.device
        Where this process computes.

    Yields
    ------
    Ranks
        Which process this is.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def one_after_the_first(ranks: Ranks, make: Callable[[], Made]) -> Made:
    """Let the first process make something that the others then find on the disk.

    Parameters
    ----------
    ranks : Ranks
        Which process this is.
    make : callable
        Makes it, or reads it if it is there.

    Returns
    -------
    object
        What ``make`` returned in this process.
    """
    if ranks.first:
        made = make()
        wait(ranks)
        return made
    wait(ranks)
    return make()


def wait(ranks: Ranks) -> None:
    """Wait for all processes to come here.

    Parameters
    ----------
    ranks : Ranks
        Which process this is.
    """
    if ranks.world > 1:
        dist.barrier()


def gather(rows: torch.Tensor, ranks: Ranks) -> torch.Tensor:
    """Gather the rows of all processes; gradients flow into those of this one.

    Parameters
    ----------
    rows : torch.Tensor of shape (b, d)
        As many in each process.
    ranks : Ranks
        Which process this is.

    Returns
    -------
    torch.Tensor of shape (b world, d)
        The rows in the order of the processes.
    """
    if ranks.world == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(ranks.world)]
    dist.all_gather(parts, rows.detach().contiguous())
    parts[ranks.rank] = rows
    return torch.cat(parts)


def add_gradients(
    encoders: Iterable[torch.nn.Parameter], scale: torch.nn.Parameter, ranks: Ranks
) -> None:
    """Make the gradients of all processes those of the loss over the whole batch.

    Parameters
    ----------
    encoders : iterable of torch.nn.Parameter
        Weights whose gradient in this process comes from its own rows alone.
    scale : torch.nn.Parameter
        log 1 / tau, whose gradient is the whole one in each process already.
    ranks : Ranks
        Which process this is.

    Notes
    -----
    With ``gather``, the loss in each process is that of the whole batch, and its gradient flows
    through the own rows. The sum over processes is then exact.
    """
    if ranks.world == 1:
        return
    for weight in encoders:
        if weight.grad is not None:
            dist.all_reduce(weight.grad)
    if scale.grad is not None:
        dist.all_reduce(scale.grad)
        scale.grad /= ranks.world

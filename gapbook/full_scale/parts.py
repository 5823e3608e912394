"""The parts of the measurement: what each one needs, what it measures, and which facts it gives."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gapbook.exceptions import FetchError, PairsError, nearest
from gapbook.full_scale.cones import pretrained_cones, random_cones
from gapbook.full_scale.faces import face_labels
from gapbook.full_scale.inputs import REGISTERED, TASKS, Inputs
from gapbook.full_scale.landscape import coco_landscape, temperature
from gapbook.full_scale.provenance import provenance
from gapbook.full_scale.results import Outcome, collect, write_part, write_results
from gapbook.full_scale.runs import amended_starts, fine_tuned, has_runs, original_gaps
from gapbook.full_scale.tasks import classification
from gapbook.published import registry, sources_named

# What trainings need besides, in the folder of "coco".
TRAINING_IMAGES = "coco-train2017"


class Part(NamedTuple):
    """A part of the measurement.

    Attributes
    ----------
    what : str
        What it measures.
    needs : tuple of str
        The sources that it needs, keys of ``SOURCES``.
    measure : callable
        Measures it.
    trains : str
        Pattern of the runs of ``finetune`` that it gathers; empty where it trains nothing.
    """

    what: str
    needs: tuple[str, ...]
    measure: Callable[[Inputs], Outcome]
    trains: str = ""

    def fetched(self) -> list[str]:
        """Return the names by which ``gapbook fetch`` knows what it needs."""
        names = [name for source in self.needs for name in REGISTERED[source]]
        return [*names, TRAINING_IMAGES] if self.trains else names


PARTS = {
    "temperature": Part("CLIP's temperature", ("clip_b32",), temperature),
    "landscape": Part("figure 3a to 3d", ("coco", "clip_b32"), coco_landscape),
    "pretrained_cones": Part(
        "figure 2a, pretrained networks", ("coco", "clip_b32", "resnet18"), pretrained_cones
    ),
    "random_cones": Part("figures 2a and 2c, random networks", ("coco", "clip_b32"), random_cones),
    **{
        source: Part(
            f"tables 1 and 5, {name}",
            ("clip_b16", source),
            partial(classification, source=source),
        )
        for source, name in TASKS.items()
    },
    "faces": Part("tables 2 and 4", ("fairface", "coco", "clip_b32"), face_labels),
    "original_gaps": Part(
        "supplementary figure 8, before fine-tuning",
        ("coco", "clip_b16", "cifar10"),
        original_gaps,
    ),
    "fine_tuned": Part(
        "supplementary figure 8", ("coco", "clip_b16", "cifar10"), fine_tuned, trains="^tau_"
    ),
    "amended_starts": Part("section 4.4", ("coco", "clip_b16"), amended_starts, trains="^start_"),
}


def parts_named(words: Sequence[str]) -> list[str]:
    """Return the parts that words name.

    Parameters
    ----------
    words : sequence of str
        Names of parts; or of sources or data sets of ``gapbook fetch``, for all parts that need
        them.

    Returns
    -------
    list of str
        Keys of ``PARTS``, in their order.

    Raises
    ------
    PairsError
        If a word is neither, or no part needs the source.

    Examples
    --------
    >>> parts_named(["landscape", "fairface"]), parts_named(["svhn-test"])
    (['landscape', 'faces'], ['svhn'])
    """
    named = set()
    for word in words:
        parts = [word] if word in PARTS else _parts_that_need(word)
        named |= set(parts)
    return [name for name in PARTS if name in named]


def _parts_that_need(word: str) -> list[str]:
    try:
        sources = set(sources_named(word))
    except FetchError:
        known = [*PARTS, *registry(), "coco"]
        raise PairsError(f"unknown part or source {word!r}; {nearest(word, known)}") from None
    parts = [name for name, part in PARTS.items() if sources & set(part.fetched())]
    if not parts:
        needed = dict.fromkeys(source for part in PARTS.values() for source in part.fetched())
        raise PairsError(f"no part needs {word}; they need {', '.join(needed)}")
    return parts


def measure_parts(names: Sequence[str], inputs: Inputs, out: Path) -> list[str]:
    """Measure parts one by one, and write all results of the folder after each.

    Parameters
    ----------
    names : sequence of str
        Keys of ``PARTS``.
    inputs : Inputs
        What is measured, and the folder where all is kept.
    out : pathlib.Path
        The file of results.

    Returns
    -------
    list of str
        The keys of the facts that were measured.
    """
    measured: list[str] = []
    for name in names:
        start = time.monotonic()
        print(f"{name}: {PARTS[name].what}", flush=True)
        outcome = PARTS[name].measure(inputs)
        described = provenance()
        described["seconds"] = round(time.monotonic() - start)
        described["device"] = str(inputs.device)
        places = inputs.places
        described["inputs"] = {s: places[s] for s in PARTS[name].needs if s in places}
        write_part(inputs.folder, name, outcome, described)
        write_results(out, collect(inputs.folder))
        for note in outcome.not_as_in_paper:
            print(f"  not as in the paper: {note}")
        print(f"  {len(outcome.facts)} facts in {described['seconds']} s", flush=True)
        measured += outcome.facts
    return measured


def at_hand(name: str, inputs: Inputs) -> bool:
    """Tell whether a part can be measured without any training or download.

    Parameters
    ----------
    name : str
        A key of ``PARTS``.
    inputs : Inputs
        What is at hand.

    Returns
    -------
    bool
        Whether all that it needs is named or, of trainings, whether runs are finished.
    """
    part = PARTS[name]
    if part.trains:
        return has_runs(inputs.folder, part.trains)
    return set(part.needs) <= set(inputs.places)

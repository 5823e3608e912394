"""The parts of the measurement: what each one needs, what it measures, and which facts it gives."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gapbook.full_scale.cones import pretrained_cones, random_cones
from gapbook.full_scale.faces import face_labels
from gapbook.full_scale.inputs import TASKS, Inputs
from gapbook.full_scale.landscape import coco_landscape, temperature
from gapbook.full_scale.results import Outcome
from gapbook.full_scale.runs import amended_starts, fine_tuned, original_gaps
from gapbook.full_scale.tasks import classification


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
    from_runs : bool
        Whether it gathers finished runs of ``finetune``.
    """

    what: str
    needs: tuple[str, ...]
    measure: Callable[[Inputs], Outcome]
    from_runs: bool = False


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
    "fine_tuned": Part("supplementary figure 8", (), fine_tuned, from_runs=True),
    "amended_starts": Part("section 4.4", (), amended_starts, from_runs=True),
}

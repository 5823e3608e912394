"""The trainings of supplementary figure 8 and of section 4.4: what each run is, and its facts."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gapbook.array_files import read_array
from gapbook.coco import read_coco
from gapbook.encoders import embed_texts
from gapbook.encoders.clip import embed_in_batches
from gapbook.encoders.random_init import random_clip
from gapbook.encoders.tokens import tokenize
from gapbook.exceptions import PairsError, one_line
from gapbook.files import path_text, write_whole
from gapbook.full_scale.fine_tuning import BATCH_SIZE, SAVE_EVERY, Recipe, Run, TrainingPairs
from gapbook.full_scale.inputs import COCO_IMAGES, Inputs
from gapbook.full_scale.kept import digest
from gapbook.full_scale.pixels import (
    PixelStore,
    clip_preparation,
    embed_store,
    store_pixels,
)
from gapbook.full_scale.pretrained import Loaded
from gapbook.full_scale.provenance import provenance
from gapbook.full_scale.ranks import ALONE, Ranks, one_after_the_first
from gapbook.full_scale.results import Outcome, Result, one_more, scale_note
from gapbook.geometry import modality_gap, retrieval
from gapbook.geometry.rotations import procrustes

# Pairs of COCO's training set that the authors chose, and the seed by which they did.
PAIRS = 50000
CHOICE_SEED = 1234
# Section 4.4 measures the gap on the first of them.
MEASURED_PAIRS = 500
SEEDS = (0, 1, 2)

# Temperatures of supplementary figure 8, by their names in facts.
TAUS = {f"tau_1_{scale}": 1 / scale for scale in (10, 20, 30, 50, 100)} | {"tau_1": 1.0}
# Section 4.4 has one.
START_TAU = 0.01
STARTS = ("original", "amended")

# Epoch of the models that the authors' notebook loads.
EPOCH = 1


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, its temperature, and how it starts."""

    name: str
    tau: float
    random: bool = False
    amended: bool = False

    def run_name(self, seed: int) -> str:
        """Name one run, as its files are called.

        Parameters
        ----------
        seed : int
            Its seed.

        Returns
        -------
        str
            Such as "tau_1_100-0".
        """
        return f"{self.name}-{seed}"


def experiments() -> list[Experiment]:
    """Return all experiments: six temperatures of figure 8, and both starts of section 4.4."""
    tuned = [Experiment(name, tau) for name, tau in TAUS.items()]
    started = [
        Experiment(f"start_{start}", START_TAU, random=True, amended=start == "amended")
        for start in STARTS
    ]
    return tuned + started


@dataclass(frozen=True)
class Scale:
    """How large the runs are: the defaults are the authors'."""

    pairs: int = PAIRS
    batch_size: int = BATCH_SIZE
    epochs: int = EPOCH
    save_every: int = SAVE_EVERY


AS_IN_PAPER = Scale()


def choose_pairs(folder: str, count: int) -> tuple[list[Path], list[str]]:
    """Choose pairs of COCO's training set as the authors did.

    Parameters
    ----------
    folder : str
        COCO's folder.
    count : int
        How many.

    Returns
    -------
    images : list of pathlib.Path
        Their files.
    captions : list of str
        The last caption of each.

    Raises
    ------
    PairsError
        As ``read_coco`` does, and where there are fewer.

    Notes
    -----
    ``numpy.random.seed(1234)`` and ``choice`` without replacement among images in the order in
    which they first appear among the annotations.
    """
    items = read_coco(folder, "last", split="train2017")
    if len(items) < count:
        raise PairsError(
            f"Expected at least {count:,} captioned images in train2017 of {path_text(folder)}; "
            f"got {len(items):,}"
        )
    # The authors' generator, for their choice.
    chosen = np.random.RandomState(CHOICE_SEED).choice(len(items), count, replace=False)
    return [items[i][0] for i in chosen], [items[i][1] for i in chosen]


def train_all(
    inputs: Inputs,
    pattern: str = "",
    seeds: Sequence[int] = SEEDS,
    scale: Scale = AS_IN_PAPER,
    ranks: Ranks = ALONE,
    after_step: Any = None,
) -> Iterator[str]:
    """Train what is missing among the runs, and measure each of them.

    Parameters
    ----------
    inputs : Inputs
        With "coco" and "clip_b16"; and "cifar10", on which fine-tuned models are measured too.
    pattern : str
        A regular expression: runs are left out whose names it does not match.
    seeds : sequence of int
        Runs of each experiment.
    scale : Scale
        How large they are.
    ranks : Ranks
        Which of several processes this is.
    after_step : callable, optional
        Called with epoch and step after each step.

    Yields
    ------
    str
        The name of each finished run.

    Raises
    ------
    PairsError
        If no run matches, or something is missing or damaged.
    """
    chosen = [(e, seed) for e in experiments() for seed in seeds if _matches(pattern, e, seed)]
    if not chosen:
        example = experiments()[0].run_name(0)
        raise PairsError(f"Expected a pattern that a run matches, such as {example}; got {pattern}")
    # All processes look before the first one writes.
    missing = {run for run in chosen if not result_path(inputs.folder, *run).exists()}
    laboratory = one_after_the_first(ranks, lambda: _Laboratory(inputs, scale, ranks))
    for experiment, seed in chosen:
        if (experiment, seed) in missing:
            laboratory.train(experiment, seed, after_step)
        yield experiment.run_name(seed)


def _matches(pattern: str, experiment: Experiment, seed: int) -> bool:
    return re.search(pattern, experiment.run_name(seed)) is not None


def result_path(folder: Path, experiment: Experiment, seed: int) -> Path:
    """Return where a finished run is kept.

    Parameters
    ----------
    folder : pathlib.Path
        Where all is kept.
    experiment : Experiment
        The experiment.
    seed : int
        Its seed.

    Returns
    -------
    pathlib.Path
        A JSON file.
    """
    return folder / "runs" / f"{experiment.run_name(seed)}.json"


def has_runs(folder: Path, pattern: str) -> bool:
    """Tell whether any run is finished whose name matches.

    Parameters
    ----------
    folder : pathlib.Path
        Where all is kept.
    pattern : str
        A regular expression.

    Returns
    -------
    bool
        Whether there is one.
    """
    return any(re.search(pattern, path.stem) for path in (folder / "runs").glob("*.json"))


class _Laboratory:
    """Everything that all runs share: the pretrained model, prepared images and captions."""

    def __init__(self, inputs: Inputs, scale: Scale, ranks: Ranks) -> None:
        self.inputs = inputs
        self.scale = scale
        self.ranks = ranks
        self.clip = inputs.clip("clip_b16")
        self.start = {
            k: v.cpu().clone() for k, v in self.clip.checkpoint.model.state_dict().items()
        }
        images, captions = choose_pairs(inputs.place("coco"), scale.pairs)
        self.pairs = TrainingPairs(self._store("coco-train", images), *self._tokens(captions))
        self.tests = Tests(inputs, self.clip, "cifar10" in inputs.places)

    def _store(self, name: str, images: Sequence[Any]) -> PixelStore:
        preparation = clip_preparation(self.clip.checkpoint)
        progress = self.inputs.progress and self.ranks.first
        return store_pixels(self.inputs.folder, name, images, preparation, progress)

    def _tokens(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        made = tokenize(self.clip.checkpoint, captions)
        return made["input_ids"], made["attention_mask"].sum(1)

    def train(self, experiment: Experiment, seed: int, after_step: Any) -> None:
        """Train and measure one run, and keep what was measured."""
        checkpoint = self.inputs.folder / "runs" / f"{experiment.run_name(seed)}.checkpoint"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        model = self._model(experiment, seed)
        recipe = Recipe(
            "random" if experiment.random else "pretrained",
            experiment.tau,
            seed,
            experiment.amended,
            self.scale.pairs,
            self.scale.batch_size,
            self.scale.epochs,
            self.clip.weights,
        )
        rotation = None
        if experiment.amended:
            path = checkpoint.with_suffix(f".{digest(asdict(recipe))}.npy")
            rotation = one_after_the_first(self.ranks, lambda: self._rotation(model, path))
        run = Run(model, recipe, self.pairs, rotation, self.ranks)
        evaluate = self._evaluate_start if experiment.random else self._evaluate_tuned
        history = run.train(
            evaluate, checkpoint, self.scale.save_every, after_step, self.inputs.progress
        )
        if self.ranks.first:
            content = {
                "history": history,
                "pairs": self.scale.pairs,
                "batch_size": self.scale.batch_size,
                "precision": "bfloat16" if model.device.type == "cuda" else "float32",
                "processes": self.ranks.world,
                "provenance": provenance(),
            }
            path = result_path(self.inputs.folder, experiment, seed)
            write_whole(path, json.dumps(content, indent=1).encode())

    def _model(self, experiment: Experiment, seed: int) -> Any:
        """Return the model at its start."""
        model = self.clip.checkpoint.model
        if experiment.random:
            fresh: Any = random_clip(seed, size=model.config)
            return fresh.to(self.inputs.device)
        model.load_state_dict(self.start)
        return model

    def _rotation(self, model: Any, path: Path) -> np.ndarray:
        """Find what turns texts onto images before training, or read what was found before."""
        if not path.exists():
            content = io.BytesIO()
            np.save(content, procrustes(*self._embed(model, len(self.pairs.pixels))))
            write_whole(path, content.getvalue())
        return read_array(path)

    def _embed(self, model: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Embed the first training pairs."""
        x = embed_store(model, self.pairs.pixels, count)
        rows = torch.arange(count)

        def encode(batch: list[torch.Tensor]) -> torch.Tensor:
            tokens = self.pairs.captions(torch.stack(batch)).to(model.device)
            return model.get_text_features(input_ids=tokens).pooler_output

        return x, embed_in_batches(model, encode, list(rows), "text")

    def _evaluate_start(self, model: Any, rotation: np.ndarray | None) -> dict[str, float]:
        """Measure the gap on the first 500 training pairs, as section 4.4 does."""
        x, y = self._embed(model, min(MEASURED_PAIRS, len(self.pairs.pixels)))
        if rotation is not None:
            y = y @ rotation
        return {"gap": modality_gap(x, y)}

    def _evaluate_tuned(self, model: Any, rotation: np.ndarray | None) -> dict[str, float]:
        return self.tests.measure(model)


class Tests:
    """COCO's validation pairs and CIFAR-10, on which fine-tuned models are measured.

    Parameters
    ----------
    inputs : Inputs
        With "coco" and, for CIFAR-10, "cifar10".
    clip : Loaded
        Whose preparation and tokenizer are used.
    with_cifar10 : bool
        Whether to measure CIFAR-10.
    """

    def __init__(self, inputs: Inputs, clip: Loaded, with_cifar10: bool) -> None:
        self.clip = clip
        preparation = clip_preparation(clip.checkpoint)
        images, self.captions = inputs.coco_val("last")
        self.val = store_pixels(
            inputs.folder, "coco-val-last", images, preparation, inputs.progress
        )
        self.cifar10: PixelStore | None = None
        if with_cifar10:
            benchmark = inputs.benchmark("cifar10")
            self.cifar10 = store_pixels(
                inputs.folder, "cifar10", benchmark.images, preparation, inputs.progress
            )
            self.labels = benchmark.labels
            # The authors' cell has the default prompt of their code, with an article.
            names = [prompt.removeprefix("a photo of ") for prompt in benchmark.prompts]
            self.prompts = [f"a photo of a {name}" for name in names]

    def measure(self, model: Any) -> dict[str, float]:
        """Measure a model.

        Parameters
        ----------
        model : transformers.CLIPModel
            The model.

        Returns
        -------
        dict of str to float
            "gap", "image_r1" (text to image: the share of captions whose image comes first) and
            "text_r1" on COCO; "cifar10_gap" and "cifar10_accuracy" where it is measured.
        """
        x = embed_store(model, self.val)
        y = self._embed_texts(model, self.captions)
        recall = retrieval(x, y, ks=(1,)).set_index("direction")["recall"]
        measures = {
            "gap": modality_gap(x, y),
            "image_r1": float(recall["text_to_image"]),
            "text_r1": float(recall["image_to_text"]),
        }
        if self.cifar10 is not None:
            x = embed_store(model, self.cifar10)
            t = self._embed_texts(model, self.prompts)
            distance = np.linalg.norm(x.mean(0, np.float64) - t.mean(0, np.float64))
            measures["cifar10_gap"] = float(distance)
            measures["cifar10_accuracy"] = float(np.mean((x @ t.T).argmax(1) == self.labels))
        return measures

    def _embed_texts(self, model: Any, texts: Sequence[str]) -> np.ndarray:
        return embed_texts(self.clip.checkpoint._replace(model=model), texts)


def original_gaps(inputs: Inputs) -> Outcome:
    """Measure CLIP ViT-B/16 before any fine-tuning: the dashed lines of supplementary figure 8.

    Parameters
    ----------
    inputs : Inputs
        With "coco", "clip_b16" and "cifar10".

    Returns
    -------
    Outcome
        The gap on COCO's validation pairs, each with its last caption, and on CIFAR-10. The authors
        do not name the second set; CIFAR-10 is that of the cell before.
    """
    inputs.place("cifar10")
    clip = inputs.clip("clip_b16")
    tests = Tests(inputs, clip, with_cifar10=True)
    measures = tests.measure(clip.checkpoint.model)
    decoded = 0.005, "half precision and image decoding"
    facts = {
        "finetune.baseline_gap": Result(measures["gap"], "Euclidean", *decoded),
        "finetune.downstream.baseline_gap": Result(measures["cifar10_gap"], "Euclidean", *decoded),
    }
    return Outcome(facts, not_as_in_paper=scale_note(len(tests.val), COCO_IMAGES, "images of COCO"))


def fine_tuned(inputs: Inputs) -> Outcome:
    """Gather supplementary figure 8 from finished runs.

    Parameters
    ----------
    inputs : Inputs
        Whose folder has the runs.

    Returns
    -------
    Outcome
        Gap and recalls on COCO, and gap and accuracy on CIFAR-10 (which the authors do not name),
        after epoch 1 at each temperature: means over runs, with the prediction interval of one
        further run, since the authors ran each temperature once and without a seed.

    Raises
    ------
    PairsError
        Unless two runs of each temperature or more are finished, all measured on CIFAR-10.
    """
    facts = {}
    notes: list[str] = []
    for experiment in experiments():
        if experiment.random:
            continue
        runs = _finished(inputs.folder, experiment)
        notes += _notes(runs)
        measures = {name: [run["history"][EPOCH].get(name) for run in runs] for name in MEASURES}
        absent = [name for name, values in measures.items() if None in values]
        if absent:
            raise PairsError(
                f"Expected runs of {experiment.name} that were measured on CIFAR-10; delete their "
                "JSON files and name --cifar10 to finetune"
            )
        of_run = {name: one_more(values) for name, values in measures.items()}
        for name in ("gap", "image_r1", "text_r1"):
            unit = "Euclidean" if name == "gap" else "fraction"
            mean, half_width, why = of_run[name]
            facts[f"finetune.{experiment.name}.{name}"] = Result(mean, unit, half_width, why)
        pair = [of_run[name] for name in ("cifar10_gap", "cifar10_accuracy")]
        facts[f"finetune.downstream.{experiment.name}"] = Result(
            [mean for mean, _, _ in pair], "", [half for _, half, _ in pair], pair[0][2]
        )
    return Outcome(facts, not_as_in_paper=sorted(set(notes)))


MEASURES = ("gap", "image_r1", "text_r1", "cifar10_gap", "cifar10_accuracy")


def amended_starts(inputs: Inputs) -> Outcome:
    """Gather section 4.4 from finished runs.

    Parameters
    ----------
    inputs : Inputs
        Whose folder has the runs.

    Returns
    -------
    Outcome
        The gaps of three seeds before and after training, from an ordinary and an amended start.
        As the authors' runs have other seeds, each of theirs may differ from ours as two runs do.

    Raises
    ------
    PairsError
        Unless three runs of both starts are finished.

    Notes
    -----
    The gap is that of the first 500 training pairs, as in the authors' notebook: of pairs that the
    amended start was aligned on.
    """
    from scipy.stats import t

    facts = {}
    notes: list[str] = []
    for experiment in experiments():
        if not experiment.random:
            continue
        start = experiment.name.removeprefix("start_")
        runs = _finished(inputs.folder, experiment)[: len(SEEDS)]
        if len(runs) < len(SEEDS):
            raise PairsError(
                f"Expected {len(SEEDS)} finished runs of {experiment.name} in "
                f"{path_text(inputs.folder)}; got {len(runs)}: {_command(experiment)}"
            )
        notes += _notes(runs)
        for phase, epoch in (("init", 0), ("trained", EPOCH)):
            gaps = [run["history"][epoch]["gap"] for run in runs]
            two = float(t.ppf(0.975, len(gaps) - 1) * np.std(gaps, ddof=1) * 2**0.5)
            why = "95 % interval of the difference of two runs, from 3"
            facts[f"amend.{start}_{phase}.seeds"] = Result(gaps, "Euclidean", two, why)
    return Outcome(facts, not_as_in_paper=sorted(set(notes)))


def _finished(folder: Path, experiment: Experiment) -> list[dict[str, Any]]:
    """Read the finished runs of an experiment, by seed."""
    runs = []
    for path in sorted((folder / "runs").glob(f"{experiment.name}-*.json")):
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            epochs = len(run["history"])
        except (ValueError, KeyError, TypeError) as error:
            raise PairsError(
                f"{path_text(path)} is damaged ({one_line(str(error), 200)}); delete it, and run "
                "finetune again"
            ) from None
        if epochs > EPOCH:
            runs.append(run)
    if not runs:
        raise PairsError(
            f"Expected finished runs of {experiment.name} in {path_text(folder / 'runs')}; there "
            f"are none: {_command(experiment)}"
        )
    return runs


def _command(experiment: Experiment) -> str:
    return f"python -m gapbook.full_scale finetune --only {experiment.name} --folder FOLDER ..."


def _notes(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Say how runs differ from the authors' in scale."""
    notes = []
    for run in runs:
        notes += scale_note(run["pairs"], PAIRS, "pairs for training")
        notes += scale_note(run["batch_size"], BATCH_SIZE, "pairs in a batch")
    return notes

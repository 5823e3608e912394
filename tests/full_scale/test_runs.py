"""Which pairs trainings see, and that the loss of several processes is that of one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from full_scale.stand_ins import TRAIN_IMAGES, captions_of

from gapbook.coco import read_coco
from gapbook.encoders import random_clip
from gapbook.full_scale.fine_tuning import Recipe, Run, TrainingPairs
from gapbook.full_scale.landscape import landscape_facts
from gapbook.full_scale.pixels import PixelStore, imagenet_preparation
from gapbook.full_scale.runs import choose_pairs, experiments
from gapbook.landscape import loss_landscape


def test_pairs_are_chosen_as_the_authors_did(places: dict[str, str]) -> None:
    images, captions = choose_pairs(places["coco"], 10)
    np.random.seed(1234)  # noqa: NPY002 - the generator of their code
    indices = np.random.choice(TRAIN_IMAGES, size=10, replace=False)  # noqa: NPY002
    everything = read_coco(places["coco"], "last", split="train2017")
    assert list(zip(images, captions, strict=True)) == [everything[i] for i in indices]
    for path, caption in zip(images, captions, strict=True):
        assert path.parent.name == "train2017"
        assert caption in captions_of(int(path.stem))


def test_experiments_are_six_temperatures_and_two_starts() -> None:
    names = [experiment.name for experiment in experiments()]
    assert len(names) == 8
    taus = {e.name: e.tau for e in experiments()}
    assert taus["tau_1_50"] == 0.02
    assert taus["start_amended"] == 0.01


@pytest.fixture
def pairs() -> TrainingPairs:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 1, 32, 32), dtype=np.uint8)
    preparation = imagenet_preparation(32)._replace(mean=(0.5,), std=(0.25,))
    lengths = torch.from_numpy(rng.integers(3, 16, 24))
    tokens = torch.from_numpy(rng.integers(3, 40, (24, 16)))
    return TrainingPairs(PixelStore(images, preparation, "noise"), tokens, lengths)


def test_captions_are_as_short_as_they_can_be(pairs: TrainingPairs) -> None:
    rows = pairs.lengths.argsort()[:3]
    assert pairs.captions(rows).shape == (3, int(pairs.lengths[rows].max()))


def recipe(**changes: object) -> Recipe:
    settings = {"start": "random", "tau": 0.1, "seed": 0, "amended": False, "pairs": 24}
    return Recipe(**(settings | {"batch_size": 8} | changes))  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_moves_the_temperature_little(pairs: TrainingPairs) -> None:
    run = Run(random_clip(0, size="small"), recipe(epochs=4), pairs)
    history = run.train(lambda model, rotation: {"scale": model.logit_scale.item()})
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4]
    assert history[4]["loss"] < history[1]["loss"]
    assert "loss" not in history[0]
    scales = [row["scale"] for row in history]
    assert scales[0] == pytest.approx(np.log(10))
    assert 0 < abs(scales[4] - scales[0]) < 2e-5 * 12


def test_the_optimizer_is_the_authors(pairs: TrainingPairs) -> None:
    optimizer = Run(random_clip(0, size="small"), recipe(), pairs).optimizer
    assert isinstance(optimizer, torch.optim.Adam)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (1e-5, (0.9, 0.98), 1e-6)
    assert group["weight_decay"] == 0.2
    assert not group.get("decoupled_weight_decay", False)


def test_a_checkpoint_is_that_of_its_recipe(pairs: TrainingPairs, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    Run(random_clip(0, size="small"), recipe(), pairs).train(lambda *_: {}, path)
    with pytest.raises(ValueError, match="delete it, or keep this run elsewhere"):
        Run(random_clip(0, size="small"), recipe(tau=0.01), pairs).train(lambda *_: {}, path)


def test_a_batch_is_shared_equally(pairs: TrainingPairs) -> None:
    with pytest.raises(ValueError, match="Expected a batch of at most 24 pairs"):
        Run(random_clip(0, size="small"), recipe(batch_size=32), pairs)


def test_facts_of_figure_3_are_those_of_the_landscape() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(100, 16))
    x = shared + 0.3 * rng.normal(size=(100, 16)) + 1
    y = shared + 0.3 * rng.normal(size=(100, 16)) - 1
    facts = landscape_facts(x, y)
    table = loss_landscape(x, y, [0.25], [0.02], 50, "image_to_text")
    curve = facts["curve.fig3.landscape.tau_1_50"].value
    # The curve's shifts go down from 4.75.
    assert curve[18] == pytest.approx(table["loss"].item())
    at, distance, loss = facts["fig3.tau_1_50.grid_min"].value
    assert loss == min(curve)
    assert abs(distance) <= 2
    assert at in np.arange(-5, 5, 0.25)
    shares = facts["fig3a.pca_evr6"].value
    assert facts["fig3a.pca_evr6_sum"].value == pytest.approx(sum(shares))
    from sklearn.decomposition import PCA

    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y)]
    fitted = PCA(6).fit(np.concatenate(unit))
    assert landscape_facts(*unit)["fig3a.pca_evr6"].value == pytest.approx(
        fitted.explained_variance_ratio_, abs=1e-9
    )

"""The training runs of chapters 4 and 6: their recipes, their stored curves, and how they start."""

import numpy as np
import pytest
import torch

from gapbook.encoders import build_glyphclip, embed_images, embed_texts
from gapbook.encoders.glyphclip import GlyphTwins
from gapbook.geometry import modality_gap
from gapbook.glyphs import all_faces, caption_tokens, load_glyphs
from gapbook.precomputed.glyphclip import read_history
from gapbook.precomputed.training_curves import (
    EXPERIMENTS,
    LABELS,
    Experiment,
    data_of,
    merged,
    read_curves,
    run,
    start_of,
    turn_to_gap,
)
from gapbook.training import embed_pairs, procrustes, train


@pytest.fixture(scope="module")
def few():
    glyphs = load_glyphs().part("validation")
    return type(glyphs)(
        glyphs.images[:200], glyphs.names[:200], glyphs.codepoints[:200], glyphs.split[:200]
    )


def test_every_experiment_has_its_whole_curve() -> None:
    stored = read_curves().groupby(["start", "tau", "epochs", "seed"])["epoch"].agg(list)
    for e in EXPERIMENTS:
        for seed in e.seeds:
            assert stored[e.start, e.tau, e.epochs, seed] == list(range(e.epochs + 1)), e.name(seed)
    own = sum(len(e.seeds) for e in EXPERIMENTS)
    assert len(stored) == own + 9 and len(read_history().groupby(["model", "seed"])) == 9


def test_a_fixed_temperature_stays_and_all_are_measured() -> None:
    curves = read_curves()
    fixed = curves[curves["tau"] != "learned"]
    assert fixed["temperature"].to_numpy() == pytest.approx(
        fixed["tau"].map(LABELS).to_numpy(float), rel=1e-4
    )
    learned = (
        curves[curves["tau"] == "learned"]
        .groupby(["start", "epochs", "seed"])["temperature"]
        .nunique()
    )
    assert (learned > 10).all()
    assert curves.drop(columns="loss").notna().all().all() and curves["gap"].between(0, 2).all()
    assert (curves["loss"].isna() == (curves["epoch"] == 0)).all()


def test_stored_curves_start_where_their_recipe_starts() -> None:
    first = read_curves().query("epoch == 0 and seed == 0")
    for start, name in first.groupby("start")["tau"].first().items():
        experiment = Experiment(start, name)
        model, rotation = start_of(experiment, 0)
        gap = modality_gap(*embed_pairs(model, data_of(experiment, "test"), rotation))
        assert first[first["start"] == start]["gap"].to_numpy() == pytest.approx(gap, abs=2e-3), (
            start
        )


def test_starts_have_the_gap_that_they_promise() -> None:
    train_pairs, model = load_glyphs().part("train"), build_glyphclip(0)
    ordinary = modality_gap(*embed_pairs(model, train_pairs))
    kinds = ("amended", "turned back", "turned together")
    amended, back, together = (start_of(Experiment(start, "1/100"), 0)[1] for start in kinds)
    for rotation in (amended, back, together):
        assert rotation @ rotation.T == pytest.approx(np.eye(64), abs=1e-6)
    assert modality_gap(*embed_pairs(model, train_pairs, amended)) < ordinary / 3
    assert modality_gap(*embed_pairs(model, train_pairs, back)) == pytest.approx(ordinary, abs=1e-5)
    least = modality_gap(*embed_pairs(model, train_pairs, amended))
    assert modality_gap(*embed_pairs(model, train_pairs, together)) == pytest.approx(
        least, abs=1e-5
    )
    plane = np.linalg.svd(together - np.eye(64))[1]
    assert (plane > 1e-6).sum() == 2  # all other directions stay


def test_cut_captions_say_less_and_both_cut_shows_no_more() -> None:
    whole, first, two, both = (
        data_of(Experiment(start, "learned"), "test")
        for start in ("ordinary", "first word", "two words", "both cut")
    )
    assert len(set(first.names)) < len(set(two.names)) < len(set(whole.names))
    words = [name.split() for name in whole.names]
    assert first.names == [w[0] for w in words] and two.names == [" ".join(w[:2]) for w in words]
    assert np.array_equal(first.images, whole.images) and both.names == first.names
    assert (
        len(np.unique(whole.images, axis=0))
        > len(np.unique(both.images, axis=0))
        >= len(set(both.names)) - 5
    )
    faces = all_faces(both)
    assert (faces == faces[0]).all() and not (all_faces(first) == first.images).all()
    firsts = [first.names.index(name) for name in both.names]
    assert np.array_equal(both.images, whole.images[firsts])


def test_turning_to_a_gap_that_no_angle_gives_is_refused() -> None:
    x, y = np.array([[1.0, 0.0, 0.0]]), np.array([[0.6, 0.8, 0.0]])
    with pytest.raises(ValueError, match=r"gap between 0\.000 and 2\.000; got 2\.500"):
        turn_to_gap(x, y, 2.5)


def test_procrustes_finds_the_rotation_that_was_applied() -> None:
    rng = np.random.default_rng(0)
    x, turn = rng.normal(size=(50, 8)), np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert procrustes(x, x @ turn.T) == pytest.approx(turn, abs=1e-10)


def test_a_rotation_is_applied_in_loss_and_history_and_stays_as_it_is(few) -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    model = build_glyphclip(0)
    history = train(model, few, 0.05, epochs=1, rotation=rotation, held_out=few, progress=False)
    x, y = embed_images(model, few.images), embed_texts(model, caption_tokens(few.names))
    assert history["gap"].iloc[-1] == pytest.approx(modality_gap(x, y @ rotation), abs=1e-6)
    plain = train(build_glyphclip(0), few, 0.05, epochs=1, held_out=few, progress=False)
    assert abs(plain["loss"].iloc[-1] - history["loss"].iloc[-1]) > 1e-3
    with pytest.raises(ValueError, match="orthogonal matrix"):
        train(model, few, 0.05, epochs=1, rotation=2 * rotation, progress=False)


def test_the_checkpoint_of_another_rotation_is_refused(few, tmp_path) -> None:
    turn = np.eye(64)[::-1]
    train(build_glyphclip(0), few, 0.05, epochs=1, checkpoint=tmp_path / "a", progress=False)
    with pytest.raises(ValueError, match="Expected a checkpoint of"):
        train(
            build_glyphclip(0),
            few,
            0.05,
            epochs=1,
            rotation=turn,
            checkpoint=tmp_path / "a",
            progress=False,
        )


def test_twins_are_two_image_encoders(few) -> None:
    twins = GlyphTwins(0)
    ids = {id(p) for p in twins.first.parameters()} & {id(p) for p in twins.second.parameters()}
    assert not ids and len([p for p in twins.parameters() if p is twins.logit_scale]) == 1
    images = torch.as_tensor(few.images[:5])
    as_floats = twins.get_text_features(images.unsqueeze(1).float() / 255).pooler_output
    assert torch.equal(twins.get_text_features(images).pooler_output, as_floats)
    before = [p.clone() for p in twins.second.parameters()]
    train(twins, few, 0.05, epochs=1, held_out=few, progress=False)
    assert any(
        not torch.equal(a, b) for a, b in zip(before, twins.second.parameters(), strict=True)
    )


def test_twins_of_one_seed_begin_equal_and_part_in_training(few) -> None:
    same, apart = GlyphTwins(0, same=True), GlyphTwins(0)
    views = [modality_gap(*embed_pairs(twins, few)) for twins in (same, apart)]
    assert views[0] < 0.1 < 1 < views[1]
    pairs = list(zip(same.first.parameters(), same.second.parameters(), strict=True))
    assert all(torch.equal(a, b) and a is not b for a, b in pairs)
    train(same, few, 0.05, epochs=1, progress=False)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_a_shared_tower_has_no_second_set_of_layers(few) -> None:
    shared, separate = (
        sum(p.numel() for p in build_glyphclip(0, shared=s).parameters()) for s in (True, False)
    )
    assert shared < separate
    model = build_glyphclip(0, shared=True)
    train(model, few, 0.05, epochs=1, progress=False)
    assert (
        model.text_projection is model.visual_projection
        and model.text_model.encoder is model.vision_model.encoder
    )


def test_an_interrupted_experiment_goes_on_where_it_was(few, tmp_path, monkeypatch) -> None:
    small = type("All", (), {"part": lambda self, name: few})()
    monkeypatch.setattr("gapbook.precomputed.training_curves.load_glyphs", lambda: small)
    e = Experiment("ordinary", "1/10", 2, (0,))
    whole = run(e, 0)
    real = train

    def broken(*args, **options):
        def stop(epoch):
            if epoch == 1:
                raise KeyboardInterrupt

        return real(*args, **options, after_epoch=stop)

    monkeypatch.setattr("gapbook.precomputed.training_curves.train", broken)
    with pytest.raises(KeyboardInterrupt):
        run(e, 0, tmp_path)
    assert not (tmp_path / f"{e.name(0)}.csv").exists()
    monkeypatch.setattr("gapbook.precomputed.training_curves.train", real)
    resumed = run(e, 0, tmp_path)
    assert resumed["gap"].to_numpy() == pytest.approx(whole["gap"].to_numpy(), abs=1e-6)
    assert len(run(e, 0, tmp_path)) == 3  # read back, not trained again


def test_fresh_curves_replace_their_own_and_no_others() -> None:
    stored = read_curves().query("epochs == 30 and start in ['amended', 'shared']")
    fresh = stored.query("start == 'shared' and seed == 1").assign(gap=7.0)
    found = merged(stored, fresh)
    new = (found["start"] == "shared") & (found["seed"] == 1)
    assert len(found) == len(stored) and (found.loc[new, "gap"] == 7).all() and new.sum() == 31
    keys = ["start", "tau", "seed", "epoch"]
    both = found[~new].merge(stored, on=keys, suffixes=("", "_stored"), validate="1:1")
    assert len(both) == len(stored) - 31 and (both["gap"] == both["gap_stored"]).all()
    assert merged(stored.iloc[::-1], fresh)["start"].tolist() == found["start"].tolist()

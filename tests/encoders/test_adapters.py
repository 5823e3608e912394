"""Models of three libraries behind one face."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers import noisy_image, unit
from tiny_checkpoints import save_checkpoint

from gapbook.encoders import embed_images, embed_texts, load_clip
from gapbook.encoders.adapters import (
    ClapEncoder,
    ImageEncoder,
    OpenClipEncoder,
    SentenceTransformersEncoder,
    SoundEncoder,
    TransformersEncoder,
    load_encoder,
)
from gapbook.exceptions import MissingPackageError, PairsError

TEXTS = ["a cat", "two dogs", "a cat"]
# The number of shards and their places, of a model that sentence-transformers writes.
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.CLIPModel"}]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_checkpoint("clip", tmp_path_factory.mktemp("tiny-clip"))


@pytest.fixture
def images():
    return [noisy_image(seed=seed) for seed in range(3)]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_checkpoint_gives_the_embeddings_that_it_gives_by_itself(kind, tmp_path, images):
    encoder = load_encoder(save_checkpoint(kind, tmp_path))
    assert isinstance(encoder, TransformersEncoder)
    assert isinstance(encoder, ImageEncoder)
    assert not isinstance(encoder, SoundEncoder)
    checkpoint = load_clip(tmp_path)
    np.testing.assert_array_equal(encoder.encode_images(images), embed_images(checkpoint, images))
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS), embed_texts(checkpoint, TEXTS))


def test_clap_is_a_model_of_sounds(tmp_path):
    encoder = load_encoder(save_checkpoint("clap", tmp_path))
    assert isinstance(encoder, ClapEncoder)
    assert isinstance(encoder, SoundEncoder)
    assert not isinstance(encoder, ImageEncoder)
    assert encoder.sampling_rate == 2000
    sounds = [np.sin(np.arange(900) * (k + 1) / 20) for k in range(2)]
    assert encoder.encode_sounds(sounds).shape == encoder.encode_texts(TEXTS[:2]).shape == (2, 8)


class TinyOpenClip(torch.nn.Module):
    """What has the methods of a model of open_clip, and drops half its weights in training."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))
        self.drop = torch.nn.Dropout()

    def encode_image(self, pixels):
        return self.drop(self.scale * pixels.flatten(1)[:, :4])

    def encode_text(self, tokens):
        return self.drop(self.scale * tokens.double())


def test_open_clip_prepares_images_and_texts_by_what_belongs_to_the_model():
    encoder = OpenClipEncoder(
        TinyOpenClip().train(),
        lambda image: torch.full((3, 2, 2), float(image)),
        lambda texts: torch.tensor([[len(text)] * 4 for text in texts]),
    )
    assert isinstance(encoder, ImageEncoder)
    rows = encoder.encode_images([1, 3])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[2] * 4, [6] * 4])
    np.testing.assert_array_equal(encoder.encode_texts(("ab", "c")), [[4] * 4, [2] * 4])


def test_sentence_transformers_takes_images_and_texts_by_one_method(images):
    asked = []

    class Tiny:
        def encode(self, inputs, batch_size, show_progress_bar):
            asked.append((inputs, batch_size, show_progress_bar))
            return np.ones((len(inputs), 4), np.float16)

    encoder = SentenceTransformersEncoder(Tiny())
    assert isinstance(encoder, ImageEncoder)
    assert encoder.encode_images(tuple(images)).dtype == np.float32
    assert encoder.encode_texts(tuple(TEXTS)).shape == (3, 4)
    assert asked == [(images, 3, False), (TEXTS, 3, False)]


def test_open_clip_itself_is_read_from_a_folder(tmp_path, images):
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8}
    config = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(0)
    model = open_clip.CLIP(**config).eval()
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    stated = {"model_cfg": config, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(stated))
    encoder = load_encoder(tmp_path)
    assert isinstance(encoder, OpenClipEncoder)
    wanted = model.encode_text(open_clip.tokenize(TEXTS)).detach().numpy()
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), wanted, atol=1e-6)
    assert encoder.encode_images(images).shape == (3, 8)


def test_sentence_transformers_itself_is_read_from_a_folder(tmp_path, images):
    from sentence_transformers import SentenceTransformer
    from transformers import CLIPProcessor

    saved = save_checkpoint("clip", tmp_path / "clip")
    CLIPProcessor.from_pretrained(saved).save_pretrained(saved)
    SentenceTransformer(str(saved)).save(str(tmp_path / "model"))
    encoder = load_encoder(tmp_path / "model")
    assert isinstance(encoder, SentenceTransformersEncoder)
    checkpoint = load_clip(saved)
    wanted = embed_images(checkpoint, images)
    np.testing.assert_allclose(unit(encoder.encode_images(images)), wanted, atol=1e-2)
    wanted = embed_texts(checkpoint, TEXTS)
    np.testing.assert_allclose(unit(encoder.encode_texts(TEXTS)), wanted, atol=1e-5)


# ---- what is refused


def folder_of(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


REFUSED = {
    "nothing": ({}, {}, "has no config.json, open_clip_config.json or modules.json"),
    "unknown library": ({"config.json": "{}"}, {"library": "keras"}, "Expected library as one of"),
    "no device": ({}, {"device": "abacus"}, "Expected a device of this machine.*'abacus'"),
    "no JSON": ({"config.json": "{"}, {}, "no config.json that can be read"),
    "no object": ({"config.json": "[]"}, {}, "Expected a JSON object in config.json"),
}


@pytest.mark.parametrize(("files", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_model_is_a_sentence(tmp_path, files, options, message):
    with pytest.raises(PairsError, match=message):
        load_encoder(folder_of(tmp_path, files), **options)


def test_a_name_on_the_hub_needs_a_commit():
    with pytest.raises(ValueError, match="give revision, a commit of 40"):
        load_encoder("openai/clip-vit-base-patch32")


@pytest.mark.parametrize(
    ("package", "file", "install"),
    [
        ("open_clip", "open_clip_config.json", "open_clip_torch"),
        ("sentence_transformers", "modules.json", "sentence-transformers"),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_command(
    tmp_path, monkeypatch, package, file, install
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"python -m pip install {install}$"):
        load_encoder(folder_of(tmp_path, {file: "{}"}))


@pytest.fixture
def stand_ins(monkeypatch):
    """Packages that are installed, and empty: they cannot read a model."""
    for name in ("open_clip", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def open_clip_file(network=None, **texts):
    images = {"timm_model_name": network} if network else {}
    return json.dumps({"model_cfg": {"embed_dim": 8, "vision_cfg": images, "text_cfg": texts}})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"open_clip_config.json": "{}"}, "Expected model_cfg with vision_cfg"),
        ({"open_clip_config.json": open_clip_file(width=8)}, "no weights in open_clip_model"),
        (
            {
                "open_clip_config.json": open_clip_file(width=8),
                # open_clip would prefer the pickled weights to safetensors of this name.
                "model.safetensors": "tensors",
                "open_clip_pytorch_model.bin": "pickle",
            },
            "no weights in open_clip_model.*pickled ones are not read",
        ),
        (
            {"open_clip_config.json": open_clip_file("hf-hub:someone/network")},
            "tower from 'hf-hub:someone/network', which is not pinned",
        ),
        (
            {"open_clip_config.json": open_clip_file(hf_model_name="someone/roberta")},
            "a tower from 'someone/roberta', which is not pinned",
        ),
        ({"modules.json": json.dumps([{"type": "evil.Model"}])}, "code of its own.*never run"),
        ({"modules.json": json.dumps([{"path": ""}])}, "a part of type None"),
        ({"modules.json": json.dumps({"a": 1})}, "a part of type None"),
        (
            {"modules.json": json.dumps(MODULES), "0_CLIP/pytorch_model.bin": "pickle"},
            "pickled weights in 0_CLIP/pytorch_model.bin",
        ),
    ],
)
def test_models_that_would_run_code_or_lead_elsewhere_are_refused(
    tmp_path, stand_ins, files, message
):
    with pytest.raises(PairsError, match=message):
        load_encoder(folder_of(tmp_path, files))


# ---- which model it is


def test_the_identity_changes_with_the_weights_and_with_the_library(saved, tmp_path):
    first = load_encoder(saved).identity
    assert load_encoder(saved).identity == first
    other = save_checkpoint("clip", tmp_path)
    assert load_encoder(other).identity != first
    assert load_encoder(other).identity == load_encoder(other).identity


def test_a_folder_of_transformers_that_has_a_file_of_open_clip_too_is_of_transformers(
    saved, tmp_path
):
    save_checkpoint("clip", tmp_path)
    (tmp_path / "open_clip_config.json").write_text(open_clip_file())
    assert isinstance(load_encoder(tmp_path), TransformersEncoder)

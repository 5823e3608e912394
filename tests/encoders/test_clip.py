"""Checkpoints from a folder and from a hub, and what they embed."""

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import reload
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import noisy_image, small_checkpoint
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_checkpoints import ROBERTA_TOKENS, save_checkpoint

from gapbook.encoders import (
    Checkpoint,
    embed_images,
    embed_texts,
    glyphclip,
    load_clip,
    pixels,
    random_clip,
    random_resnet18,
)
from gapbook.exceptions import MissingPackageError, PairsError

# Of EXIF: how to turn what the file holds.
ORIENTATION = 0x0112
TURN_A_QUARTER_RIGHT = 6

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny CLIP."""
    return save_checkpoint("clip", tmp_path_factory.mktemp("tiny-clip"))


@pytest.fixture(scope="module")
def tiny(saved: Path) -> Checkpoint:
    return load_clip(saved)


# ---- what is embedded


def test_a_folder_gives_the_embeddings_of_transformers_itself(
    saved: Path, tiny: Checkpoint
) -> None:
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(saved).eval()
    process = CLIPImageProcessorPil.from_pretrained(saved)
    tokenize = CLIPTokenizer.from_pretrained(saved)
    images = [noisy_image(0), noisy_image(1)]
    texts = ["a cat", "two dogs"]
    with torch.inference_mode():
        inputs = process(images, return_tensors="pt")["pixel_values"]
        x = model.get_image_features(pixel_values=inputs).pooler_output
        # One by one, and so without padding.
        tokens = [tokenize(text, return_tensors="pt") for text in texts]
        y = torch.cat([model.get_text_features(**each).pooler_output for each in tokens])
    assert np.allclose(embed_images(tiny, images), torch.nn.functional.normalize(x), atol=1e-6)
    assert np.allclose(embed_texts(tiny, texts), torch.nn.functional.normalize(y), atol=1e-6)


def test_paths_and_images_in_gray_or_colors_give_the_same(tiny: Checkpoint, tmp_path: Path) -> None:
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"{i}.png")
        noisy_image(i).convert("L" if i % 2 else "RGB").save(paths[-1])
    x = embed_images(tiny, paths)
    assert x.shape == (4, 8)
    assert x.dtype == np.float32
    assert np.linalg.norm(x, axis=1) == pytest.approx(1, abs=1e-6)
    assert np.allclose(x, embed_images(tiny, [Image.open(path) for path in paths]), atol=1e-6)


def test_more_inputs_than_a_batch_are_embedded_one_as_the_other(tiny: Checkpoint) -> None:
    images = [noisy_image(i % 3) for i in range(70)]
    x = embed_images(tiny, images)
    assert np.allclose(x, embed_images(tiny, images[:3])[np.arange(70) % 3], atol=1e-6)
    texts = [["a", "b", "c d"][i % 3] for i in range(70)]
    y = embed_texts(tiny, texts)
    assert np.allclose(y, embed_texts(tiny, texts[:3])[np.arange(70) % 3], atol=1e-6)


def test_a_long_caption_is_cut_at_the_length_of_the_model(tiny: Checkpoint) -> None:
    longer = embed_texts(tiny, ["b " * 50, "b " * 90])
    assert (longer[0] == longer[1]).all()


def test_a_bare_network_takes_gray_images_or_what_it_sees() -> None:
    gray = np.random.default_rng(0).integers(0, 256, size=(3, 32, 32), dtype=np.uint8)
    model = random_clip(0, size="small")
    x = embed_images(model, gray)
    assert x.shape == (3, 64)
    assert (x == embed_images(model, pixels(gray))).all()
    assert (x == embed_images(model, torch.as_tensor(gray))).all()


def test_pixels_are_1_for_ink_and_0_for_paper() -> None:
    images = pixels(np.array([[[0, 255]]], np.uint8))
    assert images.tolist() == [[[[0.0, 1.0]]]]


def test_an_upright_image_is_embedded_whatever_its_file_says_of_its_orientation(
    tiny: Checkpoint, tmp_path: Path
) -> None:
    image = noisy_image(0)
    exif = Image.Exif()
    exif[ORIENTATION] = TURN_A_QUARTER_RIGHT
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "lying.png", exif=exif)
    assert (embed_images(tiny, [tmp_path / "lying.png"]) == embed_images(tiny, [image])).all()


def test_gray_images_of_16_bits_are_embedded_as_those_of_8(
    tiny: Checkpoint, tmp_path: Path
) -> None:
    eight = np.arange(48 * 40).reshape(48, 40).astype(np.uint8)
    Image.fromarray(eight.astype(np.uint16) * 257).save(tmp_path / "16.png")
    x = embed_images(tiny, [tmp_path / "16.png", Image.fromarray(eight)])
    assert np.allclose(x[0], x[1], atol=1e-6)


def test_a_truncated_image_is_named(tiny: Checkpoint, tmp_path: Path) -> None:
    noisy_image(0).save(tmp_path / "whole.png")
    noisy_image(1).save(tmp_path / "cut.jpg")
    content = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2])
    named = r"images\[1\], .*cut\.jpg, cannot be embedded: .*truncated"
    with pytest.raises(PairsError, match=named):
        embed_images(tiny, [tmp_path / "whole.png", tmp_path / "cut.jpg"])
    named = r"images\[0\], of .*cut\.jpg, cannot be embedded: .*truncated"
    with pytest.raises(PairsError, match=named):
        embed_images(tiny, [Image.open(tmp_path / "cut.jpg")])


def test_a_bad_image_or_caption_is_named_before_any_is_embedded(tmp_path: Path) -> None:
    embedded = []

    def count(batch: list, **_: object) -> None:
        embedded.append(len(batch))

    checkpoint = small_checkpoint()._replace(processor=count, tokenizer=count)
    (tmp_path / "no.jpg").write_text("no image")
    with pytest.raises(PairsError, match=r"images\[99\], .*no\.jpg, is no image file"):
        embed_images(checkpoint, [noisy_image(0)] * 99 + [tmp_path / "no.jpg"])
    with pytest.raises(PairsError, match=r"captions\[99\] is None"):
        embed_texts(checkpoint, ["a cat"] * 99 + [None])
    assert not embedded


def test_no_images_and_no_captions_are_refused(tiny: Checkpoint) -> None:
    with pytest.raises(PairsError, match="at least 1 text"):
        embed_texts(tiny, [])
    with pytest.raises(PairsError, match="at least 1 image"):
        embed_images(tiny, [])
    for none in ([], torch.empty(0, 1, 32, 32)):
        with pytest.raises(PairsError, match="at least 1 image"):
            embed_images(random_resnet18(0, "small"), none)


BAD_PIXELS = {
    "floats": (np.zeros((2, 32, 32)), "uint8; got float64 of shape (2, 32, 32)"),
    "16 bits": (np.zeros((2, 32, 32), np.uint16), "uint8; got uint16 of shape"),
    "one image": (np.zeros((32, 32), np.uint8), "uint8; got uint8 of shape (32, 32)"),
    "colors": (np.zeros((2, 32, 32, 3), np.uint8), "uint8; got uint8 of shape (2, 32, 32, 3)"),
    "tensor of integers": (torch.zeros(2, 1, 32, 32, dtype=torch.uint8), "got uint8 of shape"),
    "PIL images": ([noisy_image(0)], "got a list of something else; for PIL images and files take"),
    "paths": (["a.png"], "got a list of something else; for PIL images and files take"),
}


@pytest.mark.parametrize(("images", "message"), BAD_PIXELS.values(), ids=BAD_PIXELS)
def test_a_bare_network_refuses_what_states_no_white(images: object, message: str) -> None:
    with pytest.raises(PairsError, match=re.escape(message)):
        embed_images(random_clip(0, size="small"), images)


BAD_TOKENS = {
    "captions": (["a cat"], "got a list of something else; for captions take a Checkpoint"),
    "floats": (np.zeros((2, 16)), "integers of shape (n, length); got torch.float64 of shape"),
    "one caption": (np.zeros(16, int), "got torch.int64 of shape (16,)"),
    "unknown ids": (np.full((2, 16), 10**6), "which the text tower knows; got 1000000 to 1000000"),
    "negative ids": (np.full((2, 16), -1), "which the text tower knows; got -1 to -1"),
    "too long": (np.zeros((2, 17), int), "at most 16 tokens a caption, the length of the model"),
}


@pytest.mark.parametrize(("tokens", "message"), BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_bare_network_refuses_what_are_no_token_ids(tokens: object, message: str) -> None:
    with pytest.raises(PairsError, match=re.escape(message)):
        embed_texts(random_clip(0, size="small"), tokens)


@pytest.mark.parametrize("kind", ["altclip", "dual_roberta"])
def test_a_caption_is_cut_where_positions_begin_after_the_padding_token(
    kind: str, tmp_path: Path
) -> None:
    checkpoint = load_clip(save_checkpoint(kind, tmp_path))
    # A letter and the blank before it are a token each, between a start and an end.
    whole = "a" * (ROBERTA_TOKENS - 3)
    short, fitting, longer, longest = embed_texts(
        checkpoint, [whole[:-1], whole, whole + "b", whole + "b" * 90]
    )
    assert not np.allclose(fitting, short, atol=1e-4)
    assert np.allclose(longer, fitting, atol=1e-6)
    assert np.allclose(longest, fitting, atol=1e-6)


def test_flava_gives_its_first_token_which_its_loss_compares(tmp_path: Path) -> None:
    checkpoint = load_clip(save_checkpoint("flava", tmp_path))
    model = checkpoint.model
    inputs = checkpoint.processor([noisy_image(0)], return_tensors="pt")
    tokens = checkpoint.tokenizer(["a cat"], return_tensors="pt")
    with torch.inference_mode():
        image = model.image_projection(model.image_model(**inputs).last_hidden_state[:, 0])
        text = model.text_projection(model.text_model(**tokens).last_hidden_state[:, 0])
    x = embed_images(checkpoint, [noisy_image(0)])
    y = embed_texts(checkpoint, ["a cat"])
    assert np.allclose(x, torch.nn.functional.normalize(image), atol=1e-6)
    assert np.allclose(y, torch.nn.functional.normalize(text), atol=1e-6)


def test_a_model_with_a_vector_a_token_is_refused(tiny: Checkpoint) -> None:
    class Tokens(torch.nn.Linear):
        def get_text_features(self, input_ids: torch.Tensor, **_: object) -> torch.Tensor:
            return torch.zeros(*input_ids.shape, 8)

    with pytest.raises(PairsError, match=r"one vector an input; a Tokens gives each \(\d+, 8\)"):
        embed_texts(tiny._replace(model=Tokens(1, 1)), ["a cat"])


def test_a_checkpoint_may_be_any_network_that_gives_a_vector_an_input(tiny: Checkpoint) -> None:
    class Sums(torch.nn.Linear):
        def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return pixel_values.sum(dim=(2, 3))

        def get_text_features(self, input_ids: torch.Tensor, **_: object) -> torch.Tensor:
            return torch.nn.functional.one_hot(input_ids, 99).sum(dim=1)

    own = tiny._replace(model=Sums(1, 1))
    assert embed_images(own, [noisy_image(0)]).shape == (1, 3)
    assert embed_texts(own, ["a", "b c"]).shape == (2, 99)


def test_a_checkpoint_of_a_network_of_images_alone_embeds_images(tiny: Checkpoint) -> None:
    # As the untrained ResNets of chapter 3 do, with what prepares images for CLIP.
    x = embed_images(tiny._replace(model=random_resnet18(0)), [noisy_image(0)])
    assert x.shape == (1, 512)


def test_an_embedding_that_is_not_finite_is_named(tiny: Checkpoint) -> None:
    class Overflow(torch.nn.Linear):
        def get_text_features(self, input_ids: torch.Tensor, **_: object) -> torch.Tensor:
            values = torch.ones(len(input_ids), 3)
            values[1] = float("inf")
            return values

    with pytest.raises(PairsError, match="finite embeddings; that of text 1 is not"):
        embed_texts(tiny._replace(model=Overflow(1, 1)), ["a", "b", "c"])


# ---- precision


@pytest.mark.parametrize("kind", ["clip", "aimv2"])
@pytest.mark.parametrize("saved_as", [torch.float16, torch.bfloat16])
def test_a_checkpoint_of_half_precision_runs_in_float32_unless_asked(
    kind: str, saved_as: torch.dtype, tmp_path: Path
) -> None:
    folder = save_checkpoint(kind, tmp_path, saved_as)
    whole = load_clip(folder)
    assert whole.model.dtype == torch.float32
    images = [noisy_image(seed) for seed in range(3)]
    texts = ["a cat", "two dogs", "x"]
    x = embed_images(whole, images)
    y = embed_texts(whole, texts)
    for dtype in (saved_as, "auto"):
        half = load_clip(folder, dtype=dtype)
        assert half.model.dtype == saved_as
        # Some models leave their pixels in float32, which their weights do not take.
        assert (embed_images(half, images) * x).sum(axis=1) == pytest.approx(1, abs=1e-3)
        assert (embed_texts(half, texts) * y).sum(axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.int8, "float16", None])
def test_another_precision_is_refused(saved: Path, dtype: object) -> None:
    with pytest.raises(ValueError, match="dtype 'auto' or a floating-point type"):
        load_clip(saved, dtype=dtype)


# ---- folders


class RunsCode:
    """What a pickle may do when it is read."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("code-was-run"),)


def test_older_weights_are_read_where_there_are_no_others(
    saved: Path, tiny: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "older"
    shutil.copytree(saved, folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    # Older checkpoints hold this, which transformers counts by itself.
    state["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    torch.save(state, folder / "pytorch_model.bin")
    older = load_clip(folder)
    np.testing.assert_allclose(
        embed_texts(older, ["a cat"]), embed_texts(tiny, ["a cat"]), rtol=0, atol=1e-6
    )
    torch.save(state | {"logit_scale": RunsCode()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_clip(folder)
    assert not Path("code-was-run").exists()


def test_bad_folders_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no \.safetensors weights"):
        load_clip(tmp_path)
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_clip(tmp_path)
    with pytest.raises(ValueError, match="Expected a folder or a name on the hub"):
        load_clip(tmp_path / "gone")


CODE = {
    "config.json": {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"},
    },
    "preprocessor_config.json": {
        "image_processor_type": "Evil",
        "auto_map": {"AutoImageProcessor": "evil.Evil"},
    },
}


@pytest.mark.parametrize(("file", "changes"), CODE.items(), ids=CODE)
def test_code_that_comes_with_a_checkpoint_is_not_run_nor_asked_about(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, changes: dict
) -> None:
    folder = shutil.copytree(saved, tmp_path / "evil")
    marker = tmp_path / "marker"
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(config | changes))
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Evil: pass\n")
    modules = str(tmp_path / "modules")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", modules)
    asked = []

    def answer_yes(*prompt: str) -> str:
        # Raising here would be caught by transformers.
        asked.append(prompt)
        return "y"

    monkeypatch.setattr("builtins.input", answer_yes)
    sentence = "transformers: it needs code of its own, which is never run; take"
    with pytest.raises(ValueError, match=sentence) as error:
        load_clip(folder)
    assert "\n" not in str(error.value)
    assert not asked
    assert not marker.exists()


def test_other_reasons_are_one_short_line(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "unknown")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "unheard-of"}))
    sentence = r"cannot be read as a checkpoint of transformers: .*unheard-of"
    with pytest.raises(ValueError, match=sentence) as error:
        load_clip(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400 + len(str(folder))


def test_weights_that_are_not_there_are_not_drawn(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "part")
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    lacks = "lacks 1 of the weights of a CLIPModel, .* 'text_projection.weight'"
    with pytest.raises(ValueError, match=lacks):
        load_clip(folder)


def test_a_tokenizer_without_a_padding_token_pads_with_its_end_token(
    saved: Path, tiny: Checkpoint, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved, tmp_path / "no-padding")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"pad_token": None}))
    texts = ["a", "two dogs"]
    y = embed_texts(load_clip(folder), texts)
    assert np.allclose(y, embed_texts(tiny, texts), atol=1e-6)


@pytest.mark.parametrize(
    "load",
    [
        lambda: load_clip("anywhere"),
        lambda: random_clip(0),
        lambda: random_resnet18(0),
        lambda: reload(glyphclip),
    ],
    ids=["load_clip", "random_clip", "random_resnet18", "glyphclip"],
)
def test_without_transformers_the_extra_is_named(
    load: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingPackageError, match=r"transformers, .*gapbook\[models\] needs: "):
        load()


@pytest.mark.parametrize("revision", [None, "main", "0123abc"])
def test_a_name_needs_a_pinned_revision(revision: str | None) -> None:
    with pytest.raises(ValueError, match="commit of 40 hexadecimal digits, not"):
        load_clip("someone/tiny-clip", revision)


def test_a_model_of_one_tower_is_refused(saved: Path, tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = shutil.copytree(saved, tmp_path / "bert")
    config = BertConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        vocab_size=60,
    )
    BertModel(config).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"image and a text tower; .* is a BertModel"):
        load_clip(folder)


# ---- the hub


@pytest.fixture
def hub(saved: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that answers as a model hub does, for one model at one commit.

    Its address, and the paths that were asked for.
    """
    files = {file.name: file.read_bytes() for file in saved.iterdir()}
    asked: list[str] = []

    def about_the_model(path: str) -> bytes:
        tree = [
            {"type": "file", "path": name, "size": len(body), "oid": name}
            for name, body in files.items()
        ]
        siblings = [{"rfilename": name} for name in files]
        info = {"id": "someone/tiny-clip", "sha": COMMIT, "siblings": siblings}
        return json.dumps(tree if "/tree/" in path else info).encode()

    def find(path: str) -> bytes | None:
        if path.startswith("/api/models/someone/tiny-clip"):
            return about_the_model(path) if path.endswith(COMMIT) else None
        return files.get(path.removeprefix(f"/someone/tiny-clip/resolve/{COMMIT}/"))

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            asked.append(path)
            body = find(path)
            self.send_response(404 if body is None else 200)
            if body is None:
                error = "RevisionNotFound" if "tiny-clip" in path else "RepoNotFound"
                self.send_header("X-Error-Code", error)
                body = b"{}"
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{path.rsplit("/")[-1]}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def use_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Choose a hub, with an empty cache; at first none, since nothing listens on port 9."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    # It sleeps between its retries.
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def use(endpoint: str = "http://127.0.0.1:9") -> None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)

    use()
    return use


def test_the_hub_serves_a_pinned_checkpoint_which_then_loads_without_it(
    hub: tuple[str, list[str]], use_hub: Callable[..., None], tiny: Checkpoint
) -> None:
    endpoint, asked = hub
    expected = embed_texts(tiny, ["a cat"])
    use_hub(endpoint)
    served = load_clip("someone/tiny-clip", COMMIT)
    assert (embed_texts(served, ["a cat"]) == expected).all()
    assert f"/someone/tiny-clip/resolve/{COMMIT}/model.safetensors" in asked
    use_hub()
    cached = load_clip("someone/tiny-clip", COMMIT)
    assert (embed_texts(cached, ["a cat"]) == expected).all()


def test_no_network_is_one_clear_sentence(use_hub: Callable[..., None]) -> None:
    sentence = "someone/tiny-clip is not in the cache and the hub does not answer"
    with pytest.raises(ValueError, match=sentence):
        load_clip("someone/tiny-clip", COMMIT)


@pytest.mark.parametrize(
    ("name", "commit"), [("someone/no-clip", COMMIT), ("someone/tiny-clip", COMMIT[::-1])]
)
def test_what_is_not_on_the_hub_is_one_clear_sentence(
    hub: tuple[str, list[str]], use_hub: Callable[..., None], name: str, commit: str
) -> None:
    use_hub(hub[0])
    sentence = f"^{name} at revision {commit} is not on the hub; check both, or your"
    with pytest.raises(ValueError, match=sentence):
        load_clip(name, commit)

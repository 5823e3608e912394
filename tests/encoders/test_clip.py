"""Checkpoints from a folder and from a hub, and what they embed."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import noisy_image, save_tiny_clip
from PIL import Image

from gapbook.encoders import (
    Checkpoint,
    embed_images,
    embed_texts,
    load_clip,
    pixels,
    random_clip,
    random_resnet18,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny CLIP."""
    folder = tmp_path_factory.mktemp("tiny-clip")
    save_tiny_clip(folder)
    return folder


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


def test_bad_images_and_texts_are_named(tiny: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"path of one; got .*no\.jpg"):
        embed_images(tiny, [tmp_path / "no.jpg"])
    with pytest.raises(ValueError, match=r"path of one; got .*gone"):
        embed_images(tiny, [tmp_path / "gone.jpg"])
    with pytest.raises(ValueError, match="list of captions; got one string, 'a cat'"):
        embed_texts(tiny, "a cat")
    with pytest.raises(ValueError, match="at least 1 text"):
        embed_texts(tiny, [])
    with pytest.raises(ValueError, match="at least 1 image"):
        embed_images(random_resnet18(0, "small"), torch.empty(0, 1, 32, 32))


# ---- folders


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

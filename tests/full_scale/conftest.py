"""The stand-ins, served on this machine, and one function that gets each of them."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from full_scale.stand_ins import MODELS, build

from gapbook.published import fetch

# The file that each source is, by its name in the list of sources.
FILES = {
    "coco-val2017": "val2017.zip",
    "coco-train2017": "train2017.zip",
    "coco-annotations": "annotations_trainval2017.zip",
    "cifar10": "cifar-10-binary.tar.gz",
    "cifar100": "cifar-100-binary.tar.gz",
    "svhn-test": "test_32x32.mat",
    "eurosat": "EuroSAT_RGB.zip",
    "fairface": "fairface-img-margin025-trainval.zip",
    "fairface-parquet": "validation-00000-of-00001.parquet",
}
# What no address has.
GONE = ("clasp-uniprot", "clasp-uniprot-random")
# The hub's names of checkpoints, in the list of sources.
SNAPSHOTS = {
    "clip-vit-base-patch32": "clip_b32",
    "clip-vit-base-patch16": "clip_b16",
    "resnet18": "resnet18",
}
Fetched = Callable[[str], Path]


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all stand-ins as their publishers offer them."""
    return build(tmp_path_factory.mktemp("published") / "files")


@pytest.fixture(scope="module")
def address(stand_ins: Path) -> Iterator[str]:
    """The address at which this machine serves them."""
    handler = partial(Quiet, directory=str(stand_ins))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def fetched(
    address: str, stand_ins: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fetched]:
    """Fetch a source by its name, from a list that is laid over the book's own."""
    cache = tmp_path_factory.mktemp("fetched")
    entries = {name: _entry(name, address, stand_ins) for name in FILES}
    entries |= {name: {"url": f"{address}/gone"} for name in GONE}
    # Of a hub's cache, a file's own name says its hash, but for this one.
    weights = (snapshot(stand_ins, "resnet18") / "model.safetensors").read_bytes()
    for name in SNAPSHOTS:
        entries[name] = {"files": ["*"], "required": {}}
    entries["resnet18"]["sha256"] = hashlib.sha256(weights).hexdigest()
    (cache / "registry.yml").write_text(yaml.safe_dump(entries))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAPBOOK_REGISTRY", str(cache / "registry.yml"))
        patch.setenv("GAPBOOK_CACHE", str(cache))
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(stand_ins / "hub"))
        patch.delenv("GAPBOOK_DATA", raising=False)
        yield partial(fetch, progress=False)


def _entry(name: str, address: str, stand_ins: Path) -> dict[str, Any]:
    """Describe a stand-in as the list of sources does."""
    content = (stand_ins / FILES[name]).read_bytes()
    entry = {
        "kind": "archive" if FILES[name].endswith((".zip", ".gz")) else "file",
        "file": FILES[name],
        "url": f"{address}/{FILES[name]}",
        "mirror": "",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "required": {},
        "about": {},
        "license": "none",
        "folder": name,
        "subfolder": "",
    }
    if "coco" in name:
        entry["folder"] = f"coco/{name.partition('-')[2]}"
    return entry


def snapshot(stand_ins: Path, source: str) -> Path:
    """Return the folder of a checkpoint in the hub's cache."""
    name, commit = MODELS[source]
    return stand_ins / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / commit


@pytest.fixture(scope="module")
def places(fetched: Fetched, stand_ins: Path) -> dict[str, str]:
    """Where each source of ``gapbook.full_scale`` is."""
    for name in ("coco-val2017", "coco-train2017", "coco-annotations"):
        coco = fetched(name)
    snapshots = {source: str(snapshot(stand_ins, source)) for source in MODELS}
    return snapshots | {
        "coco": str(coco),
        "cifar10": str(fetched("cifar10")),
        "cifar100": str(fetched("cifar100")),
        "eurosat": str(fetched("eurosat")),
        "svhn": str(fetched("svhn-test")),
        "fairface": str(fetched("fairface")),
    }

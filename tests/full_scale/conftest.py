"""The stand-ins, served on this machine, and one function that gets each of them."""

import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from full_scale.stand_ins import MODELS, build

# The file that each source is, by its name in the list of sources.
FILES = {
    "coco-val2017": "val2017.zip",
    "coco-train2017": "train2017.zip",
    "coco-annotations": "annotations_trainval2017.zip",
    "cifar10": "cifar-10-binary.tar.gz",
    "cifar100": "cifar-100-binary.tar.gz",
    "svhn-test": "test_32x32.mat",
    "eurosat": "EuroSAT_RGB.zip",
    "fairface-files": "fairface-img-margin025-trainval.zip",
    "fairface": "validation-00000-of-00001.parquet",
}
Fetched = Callable[[str], Path]


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all stand-ins as their publishers offer them."""
    return build(tmp_path_factory.mktemp("published") / "files")


@pytest.fixture(scope="session")
def address(stand_ins: Path) -> Iterator[str]:
    """The address at which this machine serves them."""
    handler = partial(Quiet, directory=str(stand_ins))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def fetched(address: str, tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    """Get a source by name: THE ONE PLACE to switch to ``gapbook.published.fetch``.

    All of COCO lies in one folder, as there.
    """
    cache = tmp_path_factory.mktemp("fetched")

    def fetch(name: str) -> Path:
        folder = cache / ("coco" if name.startswith("coco") else name)
        done = folder / f"{name}.done"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            with urlopen(f"{address}/{FILES[name]}") as answer:
                path = folder / FILES[name]
                path.write_bytes(answer.read())
            if path.suffix in (".zip", ".gz"):
                shutil.unpack_archive(path, folder, **_safely(path))
                path.unlink()
            done.touch()
        return folder

    return fetch


def _safely(path: Path) -> dict[str, Any]:
    return {"filter": "data"} if path.suffix == ".gz" else {}


@pytest.fixture(scope="session")
def places(fetched: Fetched, stand_ins: Path) -> dict[str, str]:
    """Where each source of ``gapbook.full_scale`` is."""
    for name in ("coco-val2017", "coco-train2017", "coco-annotations"):
        coco = fetched(name)
    snapshots = {}
    for source, (name, commit) in MODELS.items():
        folder = stand_ins / "hub" / f"models--{name.replace('/', '--')}"
        snapshots[source] = str(folder / "snapshots" / commit)
    return snapshots | {
        "coco": str(coco),
        "cifar10": str(fetched("cifar10")),
        "cifar100": str(fetched("cifar100")),
        "eurosat": str(fetched("eurosat")),
        "svhn": str(fetched("svhn-test")),
        "fairface": str(fetched("fairface-files")),
    }

"""The commands ``list`` and ``fetch``: the sources that the book uses."""

import argparse

from gapbook.cli.options import Parser, add_command, add_quiet, shows_progress
from gapbook.terminal import print_path, print_text

FETCH = """Get sources by name, and print the path of each: of its file, or of its folder.

What is at hand is only checked. Otherwise the free disk space is looked at before the download
begins; a download that is cut off or interrupted goes on where it was when the same command is
given again; the sha256 is computed while the bytes arrive, and another file than the registered
one is not kept; an archive is unpacked whole or not at all, and then removed. Models and data sets
of a hub are those of one commit, and lie in the hub's own cache.

environment variables:
  GAPBOOK_DATA      a folder of files, archives or unpacked folders that you have already; it is
                    looked into first, and never written to
  GAPBOOK_CACHE     where downloads go, in place of your cache folder
  GAPBOOK_REGISTRY  a file in the form of data/registry.yml whose entries are laid over it, key by
                    key: for a mirror, or for tests
  HF_HOME           the hub's cache; HF_ENDPOINT is another hub, HTTPS_PROXY a proxy

"""
FETCH_EXAMPLES = """examples:
  gapbook fetch clasp-uniprot
  gapbook fetch coco-val2017 coco-annotations clip-vit-base-patch32
  GAPBOOK_CACHE=/large/disk gapbook fetch coco-train2017

"""


def add_list(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``list``."""
    summary = "list all sources with their sizes and licenses, and where they lie"
    add_command(commands, "list", summary).set_defaults(run=_list)


def add_fetch(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``fetch``."""
    summary = "get sources by name and print where they lie"
    fetching = add_command(commands, "fetch", summary, FETCH, FETCH_EXAMPLES)
    fetching.add_argument("names", nargs="+", metavar="name", help="a name that gapbook list shows")
    add_quiet(fetching)
    fetching.set_defaults(
        run=_fetch,
        when_interrupted="what has arrived is kept, and the same command goes on from there",
    )


def _list(options: argparse.Namespace) -> None:
    from gapbook.published import sources

    print_text(sources().to_string(index=False))


def _fetch(options: argparse.Namespace) -> None:
    from gapbook.published import fetch, registry_entry

    # A slip of the hand in the last name is found before the first download.
    for name in options.names:
        registry_entry(name)
    for name in options.names:
        print_path(fetch(name, progress=shows_progress(options)))

"""Keep the outputs of notebooks by what they depend on, with jupyter-cache."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from jupyter_cache.base import CacheBundleIn
from jupyter_cache.cache.main import JupyterCacheBase
from nbformat import NotebookNode

from gapbook.press.costs import Cost
from gapbook.press.processes import is_full

# executed notebooks that are kept, of all profiles and all states of the package
LIMIT = 100


class OutputCache(JupyterCacheBase):
    """A jupyter-cache whose keys also hold a digest of what the code depends on.

    The digest stands in ``metadata.gapbook`` of a notebook. Besides it, the source and the tags of
    its code cells count; prose and all other metadata do not.
    """

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the cache in a folder, which is made, or made anew where its database is damaged."""
        cache = cls(folder)
        try:
            cache.change_cache_limit(LIMIT)
        except Exception:
            # a full disk is no damage, and what is kept took minutes to compute
            if is_full(folder.parent):
                raise
            cache.clear_cache()
            cache.change_cache_limit(LIMIT)
        return cache

    def create_hashed_notebook(
        self,
        nb: NotebookNode,
        nb_metadata: Iterable[str] | None = ("gapbook",),
        cell_metadata: Iterable[str] | None = ("tags",),
    ) -> tuple[NotebookNode, str]:
        """Return the code of a notebook and its key; all other methods call this one."""
        return super().create_hashed_notebook(nb, nb_metadata, cell_metadata)

    def find(self, notebook: NotebookNode) -> tuple[NotebookNode, Cost] | None:
        """Return what :meth:`page` does; None where no sound outputs are kept for the code."""
        try:
            return self.page(notebook)
        except Exception:
            return None

    def page(self, notebook: NotebookNode) -> tuple[NotebookNode, Cost]:
        """Return a notebook with the outputs that are kept for its code, and what these took.

        Raises
        ------
        KeyError
            If none are kept. A damaged file raises other errors.
        """
        key, page = self.merge_match_into_notebook(notebook, cell_meta=("mystnb",))
        if self.create_hashed_notebook(page)[1] != self.create_hashed_notebook(notebook)[1]:
            raise KeyError("other code than that of the notebook is kept under its key")
        del page.metadata["gapbook"]
        taken = self.get_cache_record(key).data
        return page, Cost(seconds=taken["seconds"], memory_mb=taken["memory_mb"])

    def keep(self, name: str, notebook: NotebookNode, executed: NotebookNode, cost: Cost) -> None:
        """Keep the outputs of a notebook under its key.

        Parameters
        ----------
        name : str
            Name of the notebook, for whoever looks into the cache.
        notebook : NotebookNode
            The notebook, with its digest.
        executed : NotebookNode
            The same cells with outputs.
        cost : Cost
            What the execution took.
        """
        for source, cell in zip(notebook.cells, executed.cells, strict=True):
            cell.metadata = source.metadata.copy()
            if text := _alt_text(cell):
                # where myst-nb looks for it
                cell.metadata["mystnb"] = {"image": {"alt": text}}
        bundle = CacheBundleIn(executed, name, data=dict(cost))
        self.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _alt_text(cell: NotebookNode) -> str:
    shown = [item for out in cell.get("outputs", ()) for item in out.get("metadata", {}).values()]
    return " ".join(item["alt"] for item in shown if "alt" in item)

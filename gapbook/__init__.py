"""Measure and understand the modality gap between two sets of paired embeddings.

The names below load on first use, so ``import gapbook`` is quick and needs neither torch nor
transformers.

>>> import gapbook
>>> "modality_gap" in dir(gapbook)
True
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "PairedEmbeddings": "pairs",
    "PairsError": "exceptions",
    "available_pairs": "pairs",
    "load_pairs": "pairs",
    "alignment": "geometry",
    "cka": "geometry",
    "cosine_stats": "geometry",
    "effective_rank": "geometry",
    "gap_report": "geometry",
    "gap_share_by_dimension": "geometry",
    "gap_vector": "geometry",
    "hubness": "geometry",
    "isoscore": "geometry",
    "linear_separability": "geometry",
    "measure": "geometry",
    "mmd": "geometry",
    "modality_gap": "geometry",
    "neighbor_agreement": "geometry",
    "relative_modality_gap": "geometry",
    "retrieval": "geometry",
    "uniformity": "geometry",
    "load_glyphs": "glyphs",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gapbook' has no attribute {name!r}")
    return getattr(import_module(f"gapbook.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

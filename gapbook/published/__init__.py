"""What others published: the one list of sources, where each lies here, and how it is fetched."""

from gapbook.published.download import RETRIES
from gapbook.published.fetching import fetch, locate, problems_in, size_of, sources
from gapbook.published.places import search_folders, sha256_of
from gapbook.published.registry import (
    embedding_sources,
    kind_of,
    registry,
    registry_entry,
    sources_named,
)
from gapbook.published.space import FreeBytes, free_bytes, in_units

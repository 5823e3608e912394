"""Measure or move folders of files too large for memory, file by file, on one machine or many."""

from gapbook.shards.apply import apply_to_shards
from gapbook.shards.measure import MeasuredShards, measure_shards, shard_report

__all__ = ["MeasuredShards", "apply_to_shards", "measure_shards", "shard_report"]

"""Measure folders of files too large for memory, shard by shard, on one machine or on many."""

from gapbook.shards.measure import MeasuredShards, measure_shards, shard_report

__all__ = ["MeasuredShards", "measure_shards", "shard_report"]

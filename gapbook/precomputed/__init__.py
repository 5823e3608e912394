"""What writes the files in ``data/`` that take long to compute: ``python -m gapbook.precomputed NAME``."""

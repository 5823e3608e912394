"""What makes the files in ``data/`` that take long to compute.

``python -m gapbook.precomputed`` lists them, ``python -m gapbook.precomputed NAME`` makes one of
them again. Each module here makes one and has the functions that read it.
"""

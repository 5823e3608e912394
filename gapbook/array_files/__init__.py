"""Arrays in files that others wrote: NumPy, safetensors and Parquet, read without unpickling.

Only what is asked for is opened. The size that a header states is compared with that of the file
before memory is taken.
"""

from gapbook.array_files.read import (
    SUFFIXES,
    array_names,
    read_metadata,
    read_pairs,
    read_shape,
    suffix_of,
)

"""Arrays in files that others wrote: NumPy, safetensors and Parquet, read without unpickling.

Only what is asked for is opened. The size that a header states is compared with that of the file
before memory is taken.
"""

from gapbook.array_files.dequantize import dequantized, dequantized_sides
from gapbook.array_files.inputs import Input, is_known_folder, read_input
from gapbook.array_files.read import (
    DEFAULT_COLUMNS,
    SUFFIXES,
    array_names,
    read_array,
    read_ids,
    read_metadata,
    read_pairs,
    read_several,
    read_shape,
    read_side,
    read_two_files,
    suffix_of,
)

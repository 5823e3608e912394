"""Files on a disk: where bundled data lies, what lies at a path, writing whole or not at all."""

from gapbook.files.paths import (
    IS_A,
    LONGEST_PATH,
    NotWrittenError,
    data_path,
    path_text,
    require_file,
    require_folder,
    whole_file,
    write_all,
    write_whole,
)

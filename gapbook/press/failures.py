"""Where tracebacks and logs of what failed are kept, for messages are short."""

import os
from pathlib import Path

# beside the run folder; the next run starts it anew
FAILED = "failed"


def keep_details(path: Path, details: str) -> str:
    """Write what is known of a failure.

    Parameters
    ----------
    path : Path
        File to write.
    details : str
        A traceback or a log.

    Returns
    -------
    str
        A line that says where it is, to follow a message; empty where there is nothing to say, or
        nothing can be written: the disk may be full.
    """
    if not details:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(details, encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"\n  more in {os.path.relpath(path)}"

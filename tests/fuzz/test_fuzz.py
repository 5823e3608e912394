"""Whatever file or option comes, it is measured or refused in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 28


@pytest.mark.slow
def test_nasty_files_and_options_are_measured_or_refused_in_one_line():
    """In a process of its own, whose memory is that of the command; make fuzz throws more."""
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "fuzz", "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 problems" in done.stdout

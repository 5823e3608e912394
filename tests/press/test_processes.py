import errno

import pytest

from gapbook.press.processes import is_about_space, is_full


def test_a_disk_is_full_when_less_is_left_than_must_be(tmp_path):
    assert not is_full(tmp_path, spare=0)
    assert is_full(tmp_path, spare=2**70)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (ValueError(errno.ENOSPC), False),
    ],
)
def test_errors_of_a_full_disk_are_told_from_others(error, expected):
    assert is_about_space(error) == expected

import pytest

from umbel.wire.attempts import MOST, attempts_in


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (3, 3), (-5, 0), (10**30, MOST), (True, 0), ("3", 0), (2.5, 0), (None, 0), ([], 0), ({"a": 1}, 0)]
)
def test_only_whole_numbers_count(value, count):
    assert attempts_in(value) == count

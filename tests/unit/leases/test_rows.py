from __future__ import annotations

import pytest

from umbel.leases.deciding import Row
from umbel.leases.rows import dump, load


def test_a_row_comes_back():
    row = Row({"a": (12.5, 10.0), "ü ☃": (1e9 + 0.25, 3600.0)}, 99.5)
    assert load(dump(row), row.turn) == row


@pytest.mark.parametrize("text", ["", "null", "[]", "7", "{", '{"a": 1}', '{"a": ["x", 1]}', '{"a": [1]}', '{"a": [1, 2, 3]}'])
def test_what_is_no_row_holds_nothing(text):
    assert load(text, 1.0) == Row()

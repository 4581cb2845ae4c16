from __future__ import annotations

import pytest

from umbel.runtime.rates import rate


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        ("10/s", 10.0), ("120/m", 2.0), ("3600/h", 1.0), ("5", 5.0), (2, 2.0), (0.5, 0.5), ("0.5/s", 0.5), (" 6 / m ", 0.1),
        (None, None), ("", None), (0, None), ("0/s", None),
    ],
)  # fmt: skip
def test_rates(limit, found):
    assert rate(limit) == found


@pytest.mark.parametrize("limit", ["fast", "10/d", "-1/s", -1, True, float("inf"), float("nan"), ["10/s"], "1/s/s"])
def test_what_is_no_rate_is_refused(limit):
    with pytest.raises(ValueError, match="must be a rate such as"):
        rate(limit)

"""The description of the interface is current."""

from __future__ import annotations

from pathlib import Path

from umbel.dashboard.api.reference import text

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "dashboard-openapi.json"


def test_the_file_in_the_docs_is_current():
    assert PAGE.read_text(encoding="utf-8") == text(), "run: make docs"

from pathlib import Path

from umbel.app.config import reference, schema
from umbel.app.config.setting import UNSET

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference.page(), "run: python -m umbel.app.config.reference docs/reference/settings.md"


def test_every_default_is_a_value_of_its_kind():
    for row in schema.SETTINGS.values():
        row.convert(row.default)
        assert row.meaning.endswith((".", "…")), row.name
        assert row.name == row.name.lower()
        assert row.own or row.celery is UNSET or row.celery != row.default, row.name


def test_names_are_unique():
    rows = [row.name for rows in schema.NAMESPACES.values() for row in rows]
    assert len(rows) == len(set(rows))
    olds = [old for rows in schema.NAMESPACES.values() for row in rows for old in row.old]
    assert len(olds) == len(set(olds))

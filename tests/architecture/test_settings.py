import re
from pathlib import Path

import pytest

from umbel.app.config.schema import SETTINGS

SOURCE = Path(__file__).parents[2] / "src" / "umbel"
#: Everything but the table itself.
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py") if "tables" not in path.parts)


@pytest.mark.parametrize("name", sorted(name for name, row in SETTINGS.items() if row.used))
def test_a_setting_that_is_said_to_be_used_is_read(name):
    assert re.search(rf"(?:conf\.|[\"'])(?:{name})\b", TEXT)


@pytest.mark.parametrize("name", sorted(name for name, row in SETTINGS.items() if not row.used))
def test_a_setting_that_is_read_is_said_to_be_used(name):
    assert not re.search(rf"conf\.{name}\b", TEXT)

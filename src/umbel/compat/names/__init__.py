"""Tables of names: the contents of each of Celery's modules, and of kombu's and billiard's.

One file for each part of Celery. Where a name is not listed, or stands under ``elsewhere``, importing it raises an error that says what to use.
"""

from __future__ import annotations

from typing import Final

from umbel.compat.names import app, contrib, kombu, package, testing, utilities, worker
from umbel.compat.names.table import AliasTable

TABLES: Final[dict[str, AliasTable]] = {
    **package.TABLES,
    **app.TABLES,
    **worker.TABLES,
    **utilities.TABLES,
    **contrib.TABLES,
    **testing.TABLES,
    **kombu.TABLES,
}

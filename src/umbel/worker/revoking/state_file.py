"""The stores in which a worker keeps what was revoked: its own state file, and the app's result store."""

from __future__ import annotations

from pathlib import Path

from umbel.app.app import Umbel
from umbel.clients.sqlite.database import Database
from umbel.errors import ImproperlyConfigured
from umbel.results.revocation_store import RevocationStore, revocations_of
from umbel.results.revocations.sqlite import SqliteRevocations
from umbel.worker.options import fill
from umbel.worker.settings import WorkerSettings

#: The first bytes of an SQLite file.
_MAGIC = b"SQLite format 3\0"


def stores_of(app: Umbel, settings: WorkerSettings) -> list[tuple[str, RevocationStore]]:
    """Find the stores of a worker, each with its name in log lines.

    Args:
        app: whose result store is asked.
        settings: of the worker.

    Raises:
        ImproperlyConfigured: its state file is none.
    """
    found: list[tuple[str, RevocationStore]] = []
    if settings.state_db:
        path = path_of(settings.state_db, settings.hostname)
        found.append((f"the state file {path}", SqliteRevocations(Database(str(path)))))
    kept = revocations_of(app.store)
    if kept is not None and app.store is not None:
        found.append((f"the result store {app.store.public_url()}", kept))
    return found


def path_of(template: str, node: str) -> Path:
    """Find a worker's state file.

    Args:
        template: its path; ``%n`` is the worker's name, ``%h`` its host, ``%d`` its domain.
        node: the worker's name and host.

    Raises:
        ImproperlyConfigured: something else has this path, as Celery's state file, which is of another form.
    """
    name, _, host = node.partition("@")
    path = Path(fill(template, {"n": name, "h": host, "d": host.partition(".")[2]})).absolute()
    if path.exists():
        with path.open("rb") as file:
            first = file.read(len(_MAGIC))
        if first not in (_MAGIC, b""):
            raise ImproperlyConfigured(f"{path} is no state file of Umbel (Celery's have another form): name another file for it")
    elif not path.parent.is_dir():
        raise ImproperlyConfigured(f"the state file {path} cannot be made: there is no folder {path.parent}")
    return path

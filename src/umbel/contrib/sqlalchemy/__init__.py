"""The transactional outbox on SQLAlchemy's sessions: ``from umbel.contrib.sqlalchemy import SessionOutbox``."""

from umbel.contrib.sqlalchemy.outbox import SessionOutbox

__all__ = ["SessionOutbox"]

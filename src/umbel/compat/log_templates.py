"""``celery.app.trace``'s texts of log lines."""

from __future__ import annotations

from typing import Final

LOG_RECEIVED: Final = "Task %(name)s[%(id)s] received"
LOG_SUCCESS: Final = "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s"
LOG_FAILURE: Final = "Task %(name)s[%(id)s] %(description)s: %(exc)s"
LOG_INTERNAL_ERROR: Final = LOG_FAILURE
LOG_IGNORED: Final = "Task %(name)s[%(id)s] %(description)s"
LOG_REJECTED: Final = "Task %(name)s[%(id)s] %(exc)s"
LOG_RETRY: Final = "Task %(name)s[%(id)s] retry: %(exc)s"

"""``app.bugreport()``."""

from __future__ import annotations

import platform
from typing import Any

from umbel._version import __version__
from umbel.compat.version import CELERY


def bugreport(app: Any) -> str:
    """Return versions, platform and settings as text, without passwords.

    Args:
        app: the app.
    """
    lines = [
        "",
        f"software -> celery:{CELERY} (umbel {__version__}) py:{platform.python_version()}",
        f"platform -> system:{platform.system()} arch:{platform.machine()} imp:{platform.python_implementation()}",
        f"loader   -> {type(app.loader).__module__}.{type(app.loader).__name__}",
        f"settings -> transport:{_scheme(app)} results:{app.conf.table(with_defaults=True).get('result_backend') or 'disabled'}",
        "",
        app.conf.humanize(),
    ]
    return "\n".join(lines).replace(":**@", ":********@")  # what readers of Celery's report look for


def _scheme(app: Any) -> str:
    return str(app.conf.broker_url or "").partition(":")[0]

"""A Django project in this process, for tests: set up once, and its traces in Umbel taken back when a module of tests has ended."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from umbel import current, hooks

#: The folder of the project's files, as long as this process lives.
_folder: list[tempfile.TemporaryDirectory[str]] = []


def set_up(postgresql: str | None = None) -> Path:
    """Set Django up, with its tables in a SQLite file, and in a database of PostgreSQL as ``server`` if one is given; returns the project's folder."""
    from django.conf import settings

    if not settings.configured:
        _folder.append(tempfile.TemporaryDirectory(prefix="umbel-django-"))
        folder = Path(_folder[0].name)
        databases: dict[str, Any] = {
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3"), "OPTIONS": {"timeout": 30}},
            "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "other.sqlite3"), "OPTIONS": {"timeout": 30}},
        }
        settings.configure(
            SECRET_KEY="of the tests",
            DEBUG=False,
            USE_TZ=True,
            ALLOWED_HOSTS=["*"],
            INSTALLED_APPS=[
                "django.contrib.admin",
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.messages",
                "django.contrib.sessions",
                "umbel.contrib.django",
            ],
            MIDDLEWARE=[
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
            ],
            TEMPLATES=[
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
            ROOT_URLCONF="django_urls",
            DATABASES=databases,
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            LOGGING_CONFIG=None,
            PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        )
        import django
        from django.core.management import call_command

        django.setup()
        for alias in databases:
            call_command("migrate", database=alias, verbosity=0)
    return Path(_folder[0].name)


@contextlib.contextmanager
def installed() -> Iterator[Path]:
    """Inside this block Umbel is installed in the project; after it, in no project."""
    kept = [(signal, signal.receivers) for signal in vars(hooks).values() if isinstance(signal, hooks.Signal)]
    makers, fallback = current.app_maker(), current._fallback
    apps = (current.app.get(), fallback.default, fallback.latest)
    current.app.set(None)  # of other tests
    fallback.default = fallback.latest = None
    folder = set_up()
    from django.db import connections

    from umbel.contrib.django import preparing

    preparing.install()
    current.make_apps_with(preparing._project_app)
    try:
        yield folder
    finally:
        connections.close_all()
        for signal, receivers in kept:
            signal.receivers = receivers
        current.make_apps_with(makers)
        current.app.set(apps[0])
        fallback.default, fallback.latest = apps[1:]


def server(url: str) -> dict[str, Any]:
    """The entry of ``DATABASES`` for the URL of a PostgreSQL database."""
    parts = urlsplit(url.partition("+")[2].replace("psycopg://", "postgresql://") if url.startswith("db+") else url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.strip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


def add_server(url: str) -> None:
    """Add a database of PostgreSQL to the project, as ``server``, with its tables."""
    from django.core.management import call_command
    from django.db import connections

    connections.databases["server"] = connections.configure_settings({"default": {}, "server": server(url)})["server"]
    call_command("migrate", "umbel", database="server", verbosity=0)

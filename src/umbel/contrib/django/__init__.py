"""Umbel in a Django project: one line in ``INSTALLED_APPS``, ``"umbel.contrib.django"``."""

from __future__ import annotations

from typing import Any

#: Name → the module that has it; imported when it is asked for, because most of them need Django's settings.
_HOMES = {"DjangoTask": "task", "project_app": "application"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)

"""Attributes of tasks whose values are settings until a task says otherwise."""

from __future__ import annotations

from typing import Any


class _FromSetting:
    """An attribute whose value is a setting's until the task says otherwise."""

    def __init__(self, setting: str) -> None:
        self.setting = setting

    def __get__(self, task: Any, owner: type[Any]) -> Any:
        app = owner.app if task is None else task.app
        return self if app is None else app.conf[self.setting]


def from_setting(setting: str) -> Any:
    """Make an attribute of `Task` that follows ``setting`` until it is set."""
    return _FromSetting(setting)

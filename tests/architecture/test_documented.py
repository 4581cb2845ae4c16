"""Public methods document every argument where users meet them: an editor shows the docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from umbel import AsyncResult, Task, Umbel
from umbel.app.argument_check import DECORATING
from umbel.app.sending.options import PublishOptions
from umbel.app.task.options import TaskOptions
from umbel.control.client import Control


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    for name, value in inspect.getmembers(kind):
        function = value if inspect.isfunction(value) else getattr(value, "__func__", None)
        if inspect.isfunction(function) and function.__module__.startswith("umbel.") and not name.startswith("_"):
            yield name, function


PUBLIC = [
    pytest.param(function, id=f"{kind.__name__}.{name}") for kind in (Umbel, Task, AsyncResult, Control) for name, function in methods(kind)
]


def documented(text: str) -> set[str]:
    """The names that a docstring explains: ``name: …``, several as ``name, other: …``."""
    return {name.strip("* ") for line in re.findall(r"^ +((?:\*{0,2}\w+(?:, )?)+): ", text, re.MULTILINE) for name in line.split(",")}


def mentioned(text: str) -> set[str]:
    """The names that a docstring explains in such a list, or in its text as ``name``."""
    return documented(text) | set(re.findall(r"``\*{0,2}(\w+)``", text))


@pytest.mark.parametrize("function", PUBLIC)
def test_every_argument_is_documented(function):
    parameters = [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]
    assert set(parameters) <= mentioned(function.__doc__ or ""), function.__qualname__


def test_every_calling_option_is_documented_where_it_is_given():
    assert set(PublishOptions.__dataclass_fields__) <= documented(Task.apply_async.__doc__)


def test_every_option_of_the_decorator_is_documented():
    attributes = set(TaskOptions.__annotations__) - {"app", "abstract", "bound"}
    assert attributes | set(DECORATING) <= documented(Umbel.task.__doc__)


def test_no_option_is_documented_that_is_none():
    arguments = {"args", "kwargs", "task_id", "producer", "link", "link_error", "shadow", "options"}
    assert not listed(Task.apply_async.__doc__) - set(PublishOptions.__dataclass_fields__) - arguments
    assert (
        not listed(Umbel.task.__doc__)
        - set(TaskOptions.__annotations__)
        - {*DECORATING, "base", "filter", "shared", "lazy", "function", "options"}
    )


def listed(text: str) -> set[str]:
    """The names that a docstring explains, without the exceptions that it tells of."""
    return documented(text.partition("Raises:")[0])

"""Celery's ``celery.utils.serialization``."""

from __future__ import annotations

import pickle
from typing import Any, Final

from umbel.wire import kombu_json

_TRUTH: Final = {"false": False, "no": False, "0": False, "off": False, "true": True, "yes": True, "1": True, "on": True}


class UnpickleableExceptionWrapper(Exception):
    """Stands for an exception that cannot be pickled.

    Args:
        exc_module: the module of its class.
        exc_cls_name: the name of its class.
        exc_args: its arguments, as text where they cannot be pickled.
        text: what it says.
    """

    def __init__(self, exc_module: str, exc_cls_name: str, exc_args: Any, text: str | None = None) -> None:
        super().__init__(exc_module, exc_cls_name, exc_args, text)
        self.exc_module = exc_module
        self.exc_cls_name = exc_cls_name
        self.exc_args = exc_args
        self.text = text

    def __str__(self) -> str:
        return self.text or f"{self.exc_cls_name}{self.exc_args!r}"


def strtobool(term: Any, table: dict[str, bool] | None = None) -> Any:
    """Read yes or no.

    Args:
        term: text; anything else is returned as it is.
        table: words → what they mean.

    Raises:
        TypeError: the word is not known.
    """
    if not isinstance(term, str):
        return term
    try:
        return (table or _TRUTH)[term.lower()]
    except KeyError:
        raise TypeError(f"{term!r} is neither yes nor no: expected one of {', '.join(table or _TRUTH)}") from None


def jsonify(obj: Any, **kwargs: Any) -> Any:  # noqa: ARG001 - Celery's filters
    """Return a value as JSON would bring it back.

    Args:
        obj: the value.
        kwargs: Celery's; without effect.
    """
    import json

    return json.loads(kombu_json.dumps(obj))


def get_pickleable_exception(exc: BaseException) -> BaseException:
    """Return an exception that can be pickled: this one, or one that stands for it.

    Args:
        exc: the exception.
    """
    try:
        pickle.loads(pickle.dumps(exc))  # noqa: S301 - our own
    except Exception:
        kind = type(exc)
        args = tuple(each if isinstance(each, (str, int, float, bool, type(None))) else repr(each) for each in exc.args)
        return UnpickleableExceptionWrapper(kind.__module__, kind.__name__, args, repr(exc))
    return exc

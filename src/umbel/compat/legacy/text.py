"""Celery's ``celery.utils.text`` and ``celery.utils.saferepr``."""

from __future__ import annotations

import pprint
import textwrap
from collections.abc import Sequence
from typing import Any

from umbel.messages.preview import preview


def saferepr(o: Any, maxlen: int | None = None, maxlevels: int = 3, seen: Any = None) -> str:  # noqa: ARG001
    """Show a value, shortened.

    Args:
        o: the value.
        maxlen: characters.
        maxlevels: Celery's; without effect.
        seen: Celery's; without effect.
    """
    return preview(o, maxlen) if maxlen else preview(o)


def str_to_list(s: Any) -> Any:
    """Split text at commas; a list is returned as it is.

    Args:
        s: either.
    """
    return s.split(",") if isinstance(s, str) else s


def truncate(s: str, maxlen: int = 128, suffix: str = "...") -> str:
    """Shorten a text.

    Args:
        s: the text.
        maxlen: characters.
        suffix: stands for the rest, and counts.
    """
    return s if not maxlen or len(s) < maxlen else s[: maxlen - len(suffix)].rstrip() + suffix


def pluralize(n: float, text: str, suffix: str = "s") -> str:
    """Return a word in the form that goes with a number.

    Args:
        n: the number.
        text: the word.
        suffix: of its plural.
    """
    return text if n == 1 else text + suffix


def pretty(value: Any, width: int = 80, nl_width: int = 80, sep: str = "\n", **kw: Any) -> str:  # noqa: ARG001
    """Lay a value out in lines.

    Args:
        value: the value.
        width: characters of a line.
        nl_width: Celery's; without effect.
        sep: stands before it.
        kw: arguments of `pprint.pformat`.
    """
    return f"{sep}{pprint.pformat(value, width=width, **kw)}"


def abbr(S: str, max: int, ellipsis: Any = "...") -> str:  # noqa: N803
    """Shorten a text.

    Args:
        S: the text.
        max: characters.
        ellipsis: stands for the rest; false cuts it off.
    """
    if len(S) <= max:
        return S
    return S[: max - len(ellipsis)] + ellipsis if ellipsis else S[:max]


def indent(t: str, indent: int = 0, sep: str = "\n") -> str:
    """Indent each line.

    Args:
        t: the text.
        indent: spaces.
        sep: between lines.
    """
    return sep.join(" " * indent + line for line in t.split(sep))


def join(list: Sequence[Any], sep: str = ", ") -> str:
    """Join values as text.

    Args:
        list: the values.
        sep: between them.
    """
    return sep.join(str(each) for each in list)


def dedent(s: str, n: int = 4, sep: str = "\n") -> str:  # noqa: ARG001
    """Take common indentation away.

    Args:
        s: the text.
        n: Celery's; without effect.
        sep: Celery's; without effect.
    """
    return textwrap.dedent(s)

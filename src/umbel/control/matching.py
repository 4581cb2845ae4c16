"""Patterns of node names: which workers a request is for. Pure.

``glob`` and ``pcre`` are kombu's names (5.7); others may be registered, in the program that runs the worker.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Final

#: Characters of a pattern; a longer one matches nothing.
_LONGEST: Final = 255


#: A repeated group; and the characters that make a match try again, with the most that a pattern may have of them. What passes takes milliseconds on a
#: name of 255 characters, where an expression of any kind could keep a worker busy for years.
_REPEATED_GROUP: Final = re.compile(r"\)[*+{]")
_FEW: Final = (("*+{", 3), ("?", 8), ("|", 16))


def _pcre(node: str, pattern: str) -> bool:
    if _REPEATED_GROUP.search(pattern) or any(sum(map(pattern.count, chars)) > most for chars, most in _FEW):
        raise ValueError("it repeats too much: at most three of * + {, eight ?, sixteen |, and no repeated group")
    return re.match(pattern, node) is not None


_MATCHERS: Final[dict[str, Callable[[str, str], bool]]] = {"glob": fnmatch.fnmatchcase, "pcre": _pcre}


def register(name: str, matcher: Callable[[str, str], bool]) -> None:
    """Add a kind of pattern.

    Args:
        name: by which requests name it.
        matcher: called with a node name and a pattern; reports whether they match.
    """
    _MATCHERS[name] = matcher


def matches(node: str, pattern: str, matcher: str = "glob") -> bool:
    """Report whether a node's name matches a pattern.

    Args:
        node: the name.
        pattern: untrusted.
        matcher: the kind of pattern.

    Raises:
        ValueError: there is no such kind, or the pattern is no pattern of this kind.
    """
    match = _MATCHERS.get(matcher)
    if match is None:
        raise ValueError(f"there is no matcher {matcher!a:.60}: expected {' or '.join(_MATCHERS)}")
    if len(pattern) > _LONGEST:
        raise ValueError(f"a pattern of {len(pattern):,} characters: at most {_LONGEST} are looked at")
    try:
        return match(node, pattern)
    except Exception as error:  # `re` raises several, and a matcher may be anybody's
        raise ValueError(f"{pattern!a} is no {matcher} pattern: {error}") from None

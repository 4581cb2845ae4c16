"""The search for runs: what is typed becomes a `Query`, and a query becomes SQL. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.schedules import parsing

#: Characters of a search, and words in it.
LONGEST: Final = 500
MOST_WORDS: Final = 20
#: Rows of a page of results.
PAGE: Final = 50
#: Runs that have the words, the newest, among which the other conditions choose.
MOST_FOUND: Final = 20_000
#: Runs, the newest, in which several words are looked for.
NEWEST: Final = 150_000
#: What may stand before a colon → the field that it sets.
QUALIFIERS: Final = {"task": "name", **{name: name for name in ("state", "name", "worker", "queue", "id", "since", "root", "parent")}}
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The runs that are wanted."""

    state: str = ""
    name: str = ""
    worker: str = ""
    queue: str = ""
    id: str = ""
    root: str = ""
    parent: str = ""
    #: Seconds; only runs that began so long ago at most.
    since: float | None = None
    words: tuple[str, ...] = ()
    #: The last row of the page before: (first, number).
    before: tuple[float, int] | None = None
    limit: int = PAGE

    @property
    def is_open(self) -> bool:
        """Report whether it wants all runs."""
        return self == Query(before=self.before, limit=self.limit)


def parse(text: str, **given: Any) -> Query:
    """Read a search: words, and ``state:FAILURE``, ``task:shop.*``, ``worker:``, ``queue:``, ``id:``, ``since:2h``, ``root:``, ``parent:``.

    Args:
        text: as typed; a phrase may stand in quotes.
        given: fields that other controls of the page have set; what is typed outranks them.

    Raises:
        ImproperlyConfigured: it is too long, or a value cannot be read.
    """
    if len(text) > LONGEST:
        raise ImproperlyConfigured(f"a search has {LONGEST} characters at most, this has {len(text):,}")
    try:
        parts = shlex.split(text.replace("\\", "\\\\"), posix=True)
    except ValueError:
        parts = text.replace('"', " ").replace("'", " ").split()
    query, words = Query(**{name: value for name, value in given.items() if value}), []
    for part in parts[:MOST_WORDS]:
        qualifier, colon, value = part.partition(":")
        name = QUALIFIERS.get(qualifier.lower()) if colon and value else None
        if name is None:
            words.append(part)
        elif name == "since":
            query = replace(query, since=parsing.duration(value))
        else:
            changes: dict[str, Any] = {name: value.upper() if name == "state" else value}
            query = replace(query, **changes)
    return replace(query, words=tuple(words))


@dataclass(slots=True)
class Statement:
    """SQL in the making."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition.

        Args:
            condition: SQL.
            *values: of its parameters.
        """
        self.conditions.append(condition)
        self.values.extend(values)

    @property
    def where(self) -> str:
        """The clause; empty where all rows are wanted."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def statement_of(query: Query, now: float) -> Statement:
    """Write the conditions of a query.

    Args:
        query: the query.
        now: seconds since the epoch.
    """
    found = Statement()
    for column, value in (("state", query.state), ("name", query.name), ("worker", query.worker), ("queue", query.queue)):
        if not value:
            continue
        if "*" in value:
            found.add(f"{column} GLOB ?", re.sub(r"[\[\]?]", "?", value))
        else:
            found.add(f"{column} = ?", value)
    if query.id:
        found.add("id >= ? AND id < ?", query.id, query.id + "\U0010ffff")
    if query.root:
        found.add("(root_id = ? OR id = ?)", query.root, query.root)
    if query.parent:
        found.add("parent_id = ?", query.parent)
    if query.since is not None:
        found.add("first >= ?", now - query.since)
    tokens = [token for word in query.words for token in _WORD.findall(word)]
    if tokens:
        # To find what several frequent words have in common takes as long as the table is.
        newest = f"AND rowid > (SELECT max(number) FROM runs) - {NEWEST}" if len(tokens) > 1 else ""
        wanted = " ".join(f'"{token}"*' for token in tokens)
        found.add(f"number IN (SELECT rowid FROM words WHERE words MATCH ? {newest} ORDER BY rowid DESC LIMIT {MOST_FOUND})", wanted)
    if query.before is not None:
        found.add("(first, number) < (?, ?)", *query.before)
    return found

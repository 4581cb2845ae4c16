"""The command line of ``umbel multi``: which workers, and the options of each.

``3`` is three workers, ``celery1`` to ``celery3``; other words are names. An option is for all of them, or for those that follow a colon:
``-c:1 10``, ``-Q:2-3 fast``, ``-c:fast,slow 4``. What stands after ``--`` goes to each worker as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from umbel.worker.options import fill

#: Most workers that a number may stand for.
MOST_NODES = 1000
#: Options of ``multi`` itself that take a value: they are not passed on.
_OWN_VALUES = ("--range-prefix", "--suffix", "--executable")
_OWN_FLAGS = ("--nosplash", "--quiet", "-q", "--verbose", "--no-color")
_NAMES = ("-n", "--hostname")
_PIDFILE = "--pidfile"
_LOGFILE = ("--logfile", "-f")
DEFAULT_PIDFILE = "/var/run/celery/%n.pid"
DEFAULT_LOGFILE = "/var/log/celery/%n%I.log"


@dataclass(frozen=True, slots=True)
class Option:
    """One option as given."""

    name: str
    value: str | None
    #: The words after the colon; ``None``: it is for all workers.
    only: str | None = None

    def words(self) -> tuple[str, ...]:
        """Return it as words of a command line."""
        if self.value is None:
            return (self.name,)
        return (f"{self.name}={self.value}",) if self.name.startswith("--") else (self.name, self.value)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The words after ``umbel multi COMMAND``, told apart."""

    nodes: tuple[str, ...]
    options: tuple[Option, ...]
    #: What stood after ``--``.
    extra: tuple[str, ...]
    #: Options of ``multi`` itself → values, ``""`` for a flag.
    own: Mapping[str, str] = field(default_factory=dict)
    #: ``-TERM``, ``-9``: the signal, without the dash.
    signal: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One worker of several."""

    #: ``name@host``.
    name: str
    pidfile: str
    logfile: str
    #: Further words of its command line.
    words: tuple[str, ...]

    def arguments(self) -> tuple[str, ...]:
        """Return the words after ``umbel worker``."""
        return ("--detach", "-n", self.name, f"--pidfile={self.pidfile}", f"--logfile={self.logfile}", *self.words)


def parse(words: Sequence[str], takes_value: Callable[[str], bool | None], is_signal: Callable[[str], bool]) -> CommandLine:
    """Tell the words of a command line apart.

    Args:
        words: after the command's name.
        takes_value: whether an option of a worker, ``-c`` or ``--loglevel``, is followed by a value; ``None`` if it is not known.
        is_signal: whether a word without its dash, ``TERM`` or ``9``, names a signal.

    Raises:
        ValueError: an option lacks its value.
    """
    rest: list[str] = list(words)
    extra: tuple[str, ...] = ()
    if "--" in rest:
        at = rest.index("--")
        rest, extra = rest[:at], tuple(rest[at:])
    nodes: list[str] = []
    options: list[Option] = []
    own: dict[str, str] = {}
    signal = None
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            nodes.append(word)
            continue
        if is_signal(word[1:]):
            signal = word[1:]
            continue
        if word in _OWN_FLAGS:
            own[word] = ""
            continue
        option = _option(word, rest, takes_value)
        if option.name in _OWN_VALUES:
            own[option.name] = option.value or ""
        else:
            options.append(option)
    return CommandLine(tuple(nodes), tuple(options), extra, own, signal)


def _option(word: str, rest: list[str], takes_value: Callable[[str], bool | None]) -> Option:
    head, equals, value = word.partition("=")
    name, colon, only = head.partition(":")
    if not name.startswith("--"):
        if equals:  # the value of a short option may have an equals sign in it
            value, head = word[2:], word[:2]
            name, colon, only = head, "", ""
        elif len(name) > 2 and takes_value(name) is None and takes_value(name[:2]):  # -c4
            return Option(name[:2], word[2:])
    if colon and not only:
        raise ValueError(f"{word}: workers are missing after the colon, e.g. {name}:1-3")
    if equals:
        return Option(name, value, only or None)
    known = True if name in _OWN_VALUES else takes_value(name)
    follows = bool(rest) and (not rest[0].startswith("-") or bool(known))
    if known and not follows:
        raise ValueError(f"{word} needs a value")
    # Of an option that is not ours we know what Celery does: a short one takes the next word.
    wanted = known if known is not None else follows and not name.startswith("--")
    return Option(name, rest.pop(0) if wanted else None, only or None)


def make_nodes(line: CommandLine, host: str) -> list[Node]:
    """Make the workers of a command line.

    Args:
        line: as parsed.
        host: name of this machine.

    Raises:
        ValueError: there are none, one is named twice, or an option is for a worker that is not there.
    """
    names = _names(line, host)
    given = [option for option in line.options if option.name not in _NAMES]
    chosen = [_chosen(option, names) for option in given]
    nodes = []
    for name in names:
        mine = [option for option, those in zip(given, chosen, strict=True) if name in those]
        # What is for some workers counts for more than what is for all.
        special = {option.name for option in mine if option.only is not None}
        mine = [option for option in mine if option.only is not None or option.name not in special]
        paths = {option.name: option.value for option in mine if option.name in (_PIDFILE, *_LOGFILE)}
        log = next((paths[key] for key in _LOGFILE if paths.get(key)), None)
        words = [word for option in mine if option.name not in (_PIDFILE, *_LOGFILE) for word in option.words()]
        pidfile, logfile = expand(paths.get(_PIDFILE) or DEFAULT_PIDFILE, name), expand(log or DEFAULT_LOGFILE, name)
        nodes.append(Node(name, pidfile, logfile, (*words, *line.extra)))
    paths_seen: dict[str, str] = {}
    for node in nodes:
        other = paths_seen.setdefault(node.pidfile, node.name)
        if other != node.name:
            raise ValueError(f"{other} and {node.name} have the same pidfile, {node.pidfile}: put %n or %p into --pidfile")
    return nodes


def expand(template: str, name: str) -> str:
    """Fill in what is known of a worker; ``%i`` and ``%I``, the number of a process, are left to the worker, and so is ``%%``.

    Args:
        template: may have ``%n %h %d %p``.
        name: of the worker, ``name@host``.
    """
    short, _, host = name.partition("@")
    return fill(template.replace("%%", "%%%%"), {"n": short, "h": host, "d": host.partition(".")[2], "p": name})


def _names(line: CommandLine, host: str) -> list[str]:
    if not line.nodes:
        raise ValueError("Which workers? Give a number or names, e.g. umbel multi start 3 -A proj")
    words = list(line.nodes)
    if len(words) == 1 and words[0].isdecimal():
        number = int(words[0])
        if not 1 <= number <= MOST_NODES:
            raise ValueError(f"{words[0]} workers: expected 1 to {MOST_NODES:,}")
        prefix = line.own.get("--range-prefix") or "celery"
        words = [f"{prefix}{each}" for each in range(1, number + 1)]
    named = next((option.value for option in line.options if option.name in _NAMES and option.value), None)
    suffix = line.own.get("--suffix", named or host).strip("\"'").lstrip("@")
    short, _, domain = host.partition(".")
    suffix = fill(suffix, {"h": host, "n": short, "d": domain})
    names = [word if "@" in word or not suffix else f"{word}@{suffix}" for word in words]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice")
        if "/" in name:
            raise ValueError(f"{name!r} is not a worker's name: it would be part of a path")
    return names


def _chosen(option: Option, names: list[str]) -> set[str]:
    """The workers that an option is for."""
    if option.only is None:
        return set(names)
    chosen = set()
    for word in option.only.split(","):
        found = [name for name in names if word in (name, name.partition("@")[0])] or _numbered(word, names)
        if not found:
            raise ValueError(f"{option.name}:{option.only}: there is no worker {word!r}. There are: {', '.join(names)}")
        chosen.update(found)
    return chosen


def _numbered(word: str, names: list[str]) -> list[str]:
    first, dash, last = word.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return []
    low, high = int(first), int(last or first)
    return names[low - 1 : high] if 1 <= low <= high <= len(names) else []

"""Signatures as plain dicts: which kind one is, what stands in its fields, and copies of it.

A signature is ``{"task", "args", "kwargs", "options", "subtask_type", "immutable"}``: that is its form on the wire, and all the canvas works on it.
What came in a message may lack any key but ``task``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

#: A signature to read.
Shape: TypeAlias = Mapping[str, Any]
#: A signature of one's own, to change.
Draft: TypeAlias = dict[str, Any]

TASK: Final = "task"
CHAIN: Final = "chain"
GROUP: Final = "group"
CHORD: Final = "chord"
_COMPOUND: Final = frozenset({CHAIN, GROUP, CHORD})
#: What a compound's ``kwargs`` are made of; other keys there are arguments for its parts.
_PARTS: Final = frozenset({"tasks", "header", "body", "kwargs"})
#: Options that are lists, and grow where others are replaced.
_GROWING: Final = frozenset({"link", "link_error", "stamped_headers"})


def kind(shape: Shape) -> str:
    """Chain, group or chord; everything else is a task.

    Args:
        shape: any signature.
    """
    found = shape.get("subtask_type")
    return found if found in _COMPOUND else TASK


def draft(shape: Shape) -> Draft:
    """A copy whose fields can be changed; what is in ``args``, and its parts, are shared.

    Args:
        shape: any signature.
    """
    return {
        **shape,
        "args": tuple(shape.get("args") or ()),
        "kwargs": dict(shape.get("kwargs") or {}),
        "options": dict(shape.get("options") or {}),
        "subtask_type": shape.get("subtask_type"),
        "immutable": bool(shape.get("immutable")),
    }


def compound(form: str, kwargs: dict[str, Any], options: dict[str, Any] | None = None, *, immutable: bool = False) -> Draft:
    """A new chain, group or chord.

    Args:
        form: `CHAIN`, `GROUP` or `CHORD`.
        kwargs: its parts.
        options: calling options.
        immutable: it takes no result of what is before it.
    """
    return {
        "task": f"celery.{form}",
        "args": (),
        "kwargs": kwargs,
        "options": {} if options is None else options,
        "subtask_type": form,
        "immutable": immutable,
    }


def chain_of(steps: list[Any]) -> Draft:
    """A chain of these steps.

    Args:
        steps: signatures.
    """
    return compound(CHAIN, {"tasks": steps})


def group_of(members: list[Any], options: dict[str, Any] | None = None) -> Draft:
    """A group of these members.

    Args:
        members: signatures.
        options: calling options.
    """
    return compound(GROUP, {"tasks": members}, options)


def chord_of(header: Any, body: Any, options: dict[str, Any] | None = None) -> Draft:
    """A chord.

    Args:
        header: a list of signatures, or a group.
        body: what its results go to; ``None`` when that is said later.
        options: of both.
    """
    return compound(CHORD, {"kwargs": {}, "header": header, "body": body}, options)


def tasks(shape: Shape) -> list[Any]:
    """The steps of a chain, the members of a group.

    Args:
        shape: a chain or a group.
    """
    return list((shape.get("kwargs") or {}).get("tasks") or ())


def header(chord: Shape) -> list[Any]:
    """The members of a chord's header.

    Args:
        chord: any.
    """
    found = (chord.get("kwargs") or {}).get("header") or ()
    return tasks(found) if isinstance(found, Mapping) else list(found)


def body(chord: Shape) -> Any:
    """The body of a chord, or ``None``.

    Args:
        chord: any.
    """
    return (chord.get("kwargs") or {}).get("body")


def is_empty(shape: Shape) -> bool:
    """A chain without steps.

    Args:
        shape: any signature.
    """
    return kind(shape) == CHAIN and not tasks(shape)


def has_tasks(shape: Shape) -> bool:
    """Report whether anything runs in it: nothing does in an empty group or chain, nor in groups and chains of those.

    Args:
        shape: any signature.
    """
    pending = [shape]
    while pending:
        node = pending.pop()
        if kind(node) not in (CHAIN, GROUP):
            return True
        parts = tasks(node)
        if any(kind(part) not in (CHAIN, GROUP) for part in parts):
            return True
        pending.extend(parts)
    return False


def own_kwargs(shape: Shape) -> dict[str, Any]:
    """Keyword arguments of a compound that its parts are to get.

    Args:
        shape: a chain, group or chord.
    """
    found = shape.get("kwargs") or {}
    return {**(found.get("kwargs") or {}), **{name: value for name, value in found.items() if name not in _PARTS}}


def option(shape: Shape, name: str) -> Any:
    """One of its options, or ``None``.

    Args:
        shape: any signature.
        name: of the option.
    """
    return (shape.get("options") or {}).get(name)


def merged(shape: Shape, args: Iterable[Any] = (), kwargs: Shape | None = None, options: Shape | None = None) -> Draft:
    """A copy with arguments in front of its own, keyword arguments and options over its own. Callbacks and error callbacks are added.

    An immutable signature takes options only.

    Args:
        shape: any signature.
        args: in front of its own.
        kwargs: over its own.
        options: over its own.
    """
    new = draft(shape)
    if not new["immutable"]:
        new["args"] = (*args, *new["args"])
        if kwargs:
            new["kwargs"].update(kwargs)
    if options:
        new["options"] = merged_options(new["options"], options)
    return new


def merged_options(own: Shape, more: Shape) -> dict[str, Any]:
    """Options over others; lists of them grow.

    Args:
        own: the weaker ones.
        more: the stronger ones.
    """
    new = {**own, **more}
    for name in _GROWING & own.keys() & more.keys():
        new[name] = union(listed(own[name]), listed(more[name]))
    if own.get("chain") and more.get("chain"):
        new["chain"] = [*more["chain"], *own["chain"]]  # reversed: its own come first
    return new


def union(first: Iterable[Any], second: Iterable[Any]) -> list[Any]:
    """Both, in their order, nothing twice.

    Args:
        first: any values.
        second: any values.
    """
    found = list(first)
    found.extend(each for each in second if each not in found)
    return found


def listed(value: Any) -> Sequence[Any]:
    """A list of one, where a value is none.

    Args:
        value: a list, a tuple, ``None`` for none, or one value.
    """
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def copied(shape: Shape) -> Draft:
    """A copy down to its last part and callback, as plain dicts.

    Args:
        shape: any signature.
    """
    root = draft(shape)
    pending = [root]
    while pending:
        node = pending.pop()
        for holder, names in ((node["kwargs"], ("tasks", "header", "body")), (node["options"], ("link", "link_error", "chain", "chord"))):
            if holder is node["kwargs"] and kind(node) == TASK:
                continue
            for name in names:
                found = holder.get(name)
                if isinstance(found, Mapping):
                    holder[name] = draft(found)
                    pending.append(holder[name])
                elif isinstance(found, (list, tuple)):
                    holder[name] = [draft(each) if isinstance(each, Mapping) else each for each in found]
                    pending.extend(each for each in holder[name] if isinstance(each, dict))
    return root


def checked(owner: str, value: Any) -> Any:
    """A signature, or an error that says how to write one.

    Args:
        owner: who takes it, for the text of the error.
        value: anything.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Mapping) and isinstance(value.get("task"), str):
        return value
    what = f"the task {value.name}" if _is_task(value) else f"{type(value).__name__} ({value!r:.80})"
    hint = "; write its signature, task.s(…)" if what.startswith("the task") else ""
    raise TypeError(f"{owner} takes signatures, as task.s(…) makes them, not {what}{hint}")


def member(owner: str, value: Any) -> Any:
    """A member of a group or header: a signature, or that of a task that is given as it is.

    Args:
        owner: who takes it, for the text of the error.
        value: anything.

    Raises:
        TypeError: it is neither.
    """
    return value.s() if _is_task(value) else checked(owner, value)


def _is_task(value: Any) -> bool:
    return not isinstance(value, Mapping) and bool(getattr(value, "name", None)) and hasattr(value, "run")


def iterated(owner: str, value: Any) -> Iterable[Any]:
    """A list of signatures that was given as one argument.

    Args:
        owner: who takes it, for the text of the error.
        value: anything.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        checked(owner, value)
    return value  # type: ignore[no-any-return]

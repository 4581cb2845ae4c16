"""Celery's ``celery.utils.functional``."""

from __future__ import annotations

import functools
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

cached_property = functools.cached_property


def noop(*args: Any, **kwargs: Any) -> None:
    """Do nothing, whatever the ``args`` and ``kwargs``."""


def is_list(obj: Any, scalars: Any = (Mapping, str), iters: Any = (Iterable,)) -> bool:
    """Report whether something is a list of things.

    Args:
        obj: the thing.
        scalars: types that are not, although they can be iterated.
        iters: types that are.
    """
    return isinstance(obj, iters) and not isinstance(obj, scalars or ())


def maybe_list(obj: Any, scalars: Any = (Mapping, str)) -> Any:
    """Return a list of one thing, but lists as they are and ``None`` as it is.

    Args:
        obj: either.
        scalars: as in `is_list`.
    """
    return obj if obj is None or is_list(obj, scalars) else [obj]


def chunks(it: Iterator[Any], n: int) -> Iterator[list[Any]]:
    """Split an iterator into lists of ``n`` items.

    Args:
        it: the iterator.
        n: items in each; the last may have fewer.
    """
    for item in it:
        yield [item, *itertools.islice(it, n - 1)]


def padlist(container: Sequence[Any], size: int, default: Any = None) -> list[Any]:
    """Bring a list to a size.

    Args:
        container: the list.
        size: items in the result.
        default: what is added.
    """
    return list(container)[:size] + [default] * (size - len(container))


def first(predicate: Callable[[Any], Any] | None, it: Iterable[Any]) -> Any:
    """Return the first item for which a predicate holds, or ``None``.

    Args:
        predicate: a function; none looks for an item that is not ``None``.
        it: the items.
    """
    return next((item for item in it if (predicate(item) if predicate else item is not None)), None)


def uniq(it: Iterable[Any]) -> Iterator[Any]:
    """Yield items without repetitions, in their order.

    Args:
        it: the items.
    """
    return iter(dict.fromkeys(it))


def lookahead(it: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each item with the next one, ``None`` after the last.

    Args:
        it: the items.
    """
    here, ahead = itertools.tee(it)
    return zip(here, itertools.chain(itertools.islice(ahead, 1, None), [None]), strict=False)


def dictfilter(d: Mapping[Any, Any] | None = None, **kw: Any) -> dict[Any, Any]:
    """Leave out what is ``None``.

    Args:
        d: a dict.
        kw: more of it.
    """
    return {key: value for key, value in {**(d or {}), **kw}.items() if value is not None}


def fun_accepts_kwargs(fun: Callable[..., Any]) -> bool:
    """Report whether a function takes any keyword argument.

    Args:
        fun: the function.
    """
    import inspect

    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(fun).parameters.values())


def memoize(maxsize: int | None = None, keyfun: Callable[..., Any] | None = None, Cache: Any = None) -> Callable[[Any], Any]:  # noqa: N803
    """Make a decorator that remembers what a function has returned.

    Args:
        maxsize: results that are kept; ``None`` keeps all.
        keyfun: makes the key of a call's arguments.
        Cache: the class of the store.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        cache = (Cache or LRUCache)(limit=maxsize)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            key = keyfun(args, kwargs) if keyfun else (args, tuple(sorted(kwargs.items())))
            try:
                return cache[key]
            except KeyError:
                cache[key] = value = function(*args, **kwargs)
                return value

        call.clear = cache.clear  # type: ignore[attr-defined]
        return call

    return decorate


class LRUCache(OrderedDict[Any, Any]):
    """A dict of limited size, which drops what was not used for longest.

    Args:
        limit: items; ``None`` is no limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit
        self.mutex: RLock = RLock()

    def __getitem__(self, key: Any) -> Any:
        with self.mutex:
            value = super().__getitem__(key)
            self.move_to_end(key)
            return value

    def __setitem__(self, key: Any, value: Any) -> None:
        with self.mutex:
            super().__setitem__(key, value)
            while self.limit is not None and len(self) > self.limit:
                super().__delitem__(next(iter(self)))


def regen(it: Iterable[Any]) -> Any:
    """Return what can be iterated more than once.

    Args:
        it: a list or tuple is returned as it is.
    """
    return it if isinstance(it, (list, tuple)) else _Kept(it)


class _Kept(list[Any]):
    """A list of what an iterator yields, read when it is first looked at."""

    def __init__(self, it: Iterable[Any]) -> None:
        super().__init__()
        self._rest = iter(it)

    def __iter__(self) -> Iterator[Any]:
        self.extend(self._rest)
        return super().__iter__()

    def __len__(self) -> int:
        self.extend(self._rest)
        return super().__len__()

    def __getitem__(self, index: Any) -> Any:
        self.extend(self._rest)
        return super().__getitem__(index)

    def __bool__(self) -> bool:
        return len(self) > 0

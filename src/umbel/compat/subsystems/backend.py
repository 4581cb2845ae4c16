"""``app.backend``: a result store with the methods of Celery's backends."""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from umbel import states
from umbel.errors import BackendStoreError, ImproperlyConfigured, OperationalError
from umbel.results.handles.record_view import value_of
from umbel.results.meta import to_meta
from umbel.results.model import Record
from umbel.wire import failures

_GROUP: Final = "celery-taskset-meta-"
_TASK: Final = "celery-task-meta-"

_made: weakref.WeakKeyDictionary[Any, Backend] = weakref.WeakKeyDictionary()


class Backend:
    """A result store under Celery's names. What Celery's backends do not have is the store's own.

    Args:
        app: whose store.
        store: the store.
    """

    READY_STATES = states.READY_STATES
    UNREADY_STATES = states.UNREADY_STATES
    EXCEPTION_STATES = states.EXCEPTION_STATES
    is_async = supports_native_join = supports_autoexpire = persistent = True
    task_keyprefix, group_keyprefix = _TASK, _GROUP

    def __init_subclass__(cls, **kwargs: Any) -> None:
        raise TypeError(
            f"{cls.__name__}: Celery's backends are not derived from here. A result store of your own fulfils umbel.results.base.ResultStore, "
            "and umbel.testing.result_stores proves it"
        )

    def __init__(self, app: Any, store: Any) -> None:
        self.app = app
        self._store = store
        #: Celery's cache of records; nothing is cached here.
        self._cache: dict[str, Any] = {}
        # Bound here: the library itself calls these, and should not pay for the look-up.
        self.fetch, self.wait, self.wait_async = store.fetch, store.wait, store.wait_async
        self.store, self.announce, self.expect = store.store, store.announce, store.expect

    @classmethod
    def of(cls, app: Any, store: Any) -> Backend:
        """Return the backend of a store, the same one each time.

        Args:
            app: whose store.
            store: the store.
        """
        found = _made.get(store)
        if found is None or found.app is not app:
            found = _made[store] = cls(app, store)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def url(self) -> str:
        """The URL as it stands in the settings."""
        return str(self._store.options.url)

    def as_uri(self, include_password: bool = False) -> str:
        """Return the URL.

        Args:
            include_password: as it stands in the settings.
        """
        return self.url if include_password else str(self._store.public_url())

    @property
    def expires(self) -> float | None:
        """Seconds that a record is kept."""
        kept: float | None = self._store.options.expires
        return kept

    @property
    def compression(self) -> str | None:
        """The method by which records are compressed, or ``None``."""
        method: str | None = self._store.options.compression
        return method

    # writing

    def store_result(self, task_id: str, result: Any, state: str, traceback: str | None = None, request: Any = None, **_: Any) -> Any:
        """Store a task's state.

        Args:
            task_id: of the task.
            result: its value; an exception where the state is one of failure.
            state: e.g. ``SUCCESS``.
            traceback: as text.
            request: of the running task, for what else is stored.

        Raises:
            BackendStoreError: the store cannot be reached, or refuses the value.
        """
        shown = failures.render(result) if isinstance(result, BaseException) else result
        record = Record(task_id=task_id, status=state, result=shown, traceback=None if traceback is None else str(traceback))
        if state in states.READY_STATES:
            record.date_done = datetime.fromtimestamp(self.app.time.now(), UTC).isoformat()
        if request is not None:
            record.group_id, record.parent_id = getattr(request, "group", None), getattr(request, "parent_id", None)
            record.children = list(getattr(request, "children", None) or ())
        try:
            self._store.store([record])
        except OperationalError as error:
            raise BackendStoreError(str(error), state=state, task_id=task_id) from error
        return result

    def mark_as_started(self, task_id: str, **meta: Any) -> Any:
        """Store that a task has begun; ``meta`` is its value."""
        return self.store_result(task_id, meta, states.STARTED)

    def mark_as_done(self, task_id: str, result: Any, request: Any = None, **_: Any) -> None:
        """Store that a task has succeeded.

        Args:
            task_id: of the task.
            result: its value.
            request: of the task.
        """
        self.store_result(task_id, result, states.SUCCESS, request=request)

    def mark_as_failure(self, task_id: str, exc: BaseException, traceback: str | None = None, request: Any = None, **_: Any) -> None:
        """Store that a task has failed.

        Args:
            task_id: of the task.
            exc: its exception.
            traceback: as text.
            request: of the task.
        """
        self.store_result(task_id, exc, states.FAILURE, traceback, request)

    def mark_as_revoked(self, task_id: str, reason: str = "", request: Any = None, **_: Any) -> None:
        """Store that a task was revoked.

        Args:
            task_id: of the task.
            reason: in words.
            request: of the task.
        """
        from umbel.errors import TaskRevokedError

        self.store_result(task_id, TaskRevokedError(reason), states.REVOKED, request=request)

    def mark_as_retry(self, task_id: str, exc: BaseException, traceback: str | None = None, request: Any = None, **_: Any) -> Any:
        """Store that a task is tried again.

        Args:
            task_id: of the task.
            exc: why.
            traceback: as text.
            request: of the task.
        """
        return self.store_result(task_id, exc, states.RETRY, traceback, request)

    # reading

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:  # noqa: ARG002 - nothing is cached here
        """Read what is stored of a task, as a dict.

        Args:
            task_id: of the task.
            cache: Celery's; without effect.
        """
        record = self._store.fetch([task_id]).get(task_id)
        if record is None:
            return {"status": states.PENDING, "result": None}
        return {**to_meta(record), "result": value_of(record)}

    def get_state(self, task_id: str) -> str:
        """Read a task's state.

        Args:
            task_id: of the task.
        """
        return str(self.get_task_meta(task_id)["status"])

    get_status = get_state

    def get_result(self, task_id: str) -> Any:
        """Read a task's value, or its exception.

        Args:
            task_id: of the task.
        """
        return self.get_task_meta(task_id)["result"]

    def get_traceback(self, task_id: str) -> str | None:
        """Read a task's traceback.

        Args:
            task_id: of the task.
        """
        return self.get_task_meta(task_id).get("traceback")

    def get_children(self, task_id: str) -> Any:
        """Read the results of the tasks that a task has sent.

        Args:
            task_id: of the task.
        """
        return self.app.AsyncResult(task_id).children

    def task_result_exists(self, task_id: str) -> bool:
        """Report whether anything is stored of a task.

        Args:
            task_id: of the task.
        """
        return bool(self._store.fetch([task_id]))

    def forget(self, task_ids: str | Sequence[str]) -> None:
        """Drop what is stored of a task, or of several.

        Args:
            task_ids: an id, or ids.
        """
        self._store.forget([task_ids] if isinstance(task_ids, str) else task_ids)

    # groups

    def ensure_chords_allowed(self) -> None:
        """Do nothing where the store counts chords.

        Raises:
            NotImplementedError: it does not.
        """
        if self._store.groups is None:
            raise NotImplementedError(f"the result store {self.as_uri()} keeps no groups and counts no chords")

    def save_group(self, group_id: str, result: Any) -> Any:
        """Keep a group's results.

        Args:
            group_id: of the group.
            result: a `GroupResult`.
        """
        self._store.groups.save(group_id, result.as_tuple())
        return result

    def restore_group(self, group_id: str, cache: bool = True) -> Any:  # noqa: ARG002
        """Read a group's results; ``None`` when they were not kept.

        Args:
            group_id: of the group.
            cache: Celery's; without effect.
        """
        return self.app.GroupResult.restore(group_id, app=self.app)

    def delete_group(self, group_id: str) -> None:
        """Drop a group's results.

        Args:
            group_id: of the group.
        """
        self._store.groups.forget(group_id)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Begin to count a chord.

        Args:
            group_id: of its header.
            chord_size: its members.
        """
        self._store.groups.open(group_id, chord_size)

    # names of records

    def get_key_for_task(self, task_id: Any, key: Any = "") -> bytes:
        """Return the name under which a task's record is stored.

        Args:
            task_id: of the task.
            key: goes after it.
        """
        return f"{_TASK}{_text(task_id)}{_text(key)}".encode()

    def get_key_for_group(self, group_id: Any, key: Any = "") -> bytes:
        """Return the name under which a group is stored.

        Args:
            group_id: of the group.
            key: goes after it.
        """
        return f"{_GROUP}{_text(group_id)}{_text(key)}".encode()

    @property
    def client(self) -> Any:
        """A client of redis-py for the same server.

        Raises:
            ImproperlyConfigured: the results are not in Redis.
        """
        if not re.match(r"(redis|rediss|valkey|valkeys|unix)://", self.url):
            raise ImproperlyConfigured(f"results are in {self.as_uri()}, which has no client of Redis")
        import redis

        return redis.Redis.from_url(re.sub(r"^valkey", "redis", self.url))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class DisabledBackend:
    """Stands for the store where results are not kept.

    Args:
        app: the app.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    def __bool__(self) -> bool:
        return False

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Store nothing, whatever the ``args`` and ``kwargs``."""

    def as_uri(self, *_: Any, **__: Any) -> str:
        """Return the URL of nothing."""
        return "disabled://"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(
            f"no result store is configured: set result_backend, e.g. to redis://localhost:6379/1 ({name} was asked for)"
        )

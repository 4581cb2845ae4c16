"""Settings, and this process, looked over without contacting anybody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from umbel.app.connections import seconds
from umbel.clients.finding import Finding, judge

#: Seconds for which RabbitMQ, unless it is told otherwise, lets a consumer keep a message: 3.8.17 and later.
CONSUMER_TIMEOUT: Final = 1800.0
#: Open files that a busy worker may need: two for each of its children and connections.
_FILES: Final = 1024
_PICKLE: Final = frozenset({"pickle", "application/x-python-serialize"})


def check(conf: Any, *, broker: str, has_store: bool) -> Iterator[Finding]:
    """Look settings over.

    Args:
        conf: of the app.
        broker: scheme of its broker's URL.
        has_store: results are kept.
    """
    good, warning, error = judge("settings")
    found = [
        *_content(conf, warning, error),
        *_times(conf, broker, warning),
        *([] if not has_store or seconds(conf.result_expires) else [
            warning("results are kept for ever", "set result_expires, or let something else clear the store")
        ]),
    ]  # fmt: skip
    yield from found
    if not found:
        yield good("nothing in them is a danger")


def _content(conf: Any, warning: Any, error: Any) -> Iterator[Finding]:
    accepted = _PICKLE & {str(each) for each in conf.accept_content or ()}
    if accepted:
        yield warning("pickle is accepted: whoever can send a message runs code in every worker", "take it out of accept_content")
    for name in ("task_serializer", "result_serializer", "event_serializer"):
        used = getattr(conf, name)
        if used in _PICKLE and not accepted:
            yield error(
                f"{name} is {used!r}, which accept_content does not list: nobody reads it", "make both agree; json is the best choice"
            )


def _times(conf: Any, broker: str, warning: Any) -> Iterator[Finding]:
    longest = seconds(conf.task_time_limit)
    if broker.startswith(("amqp", "pyamqp")) and conf.task_acks_late and (not longest or longest > CONSUMER_TIMEOUT):
        yield warning(
            f"tasks {f'may run for {longest:g} s' if longest else 'have no time limit'}, and RabbitMQ takes a message back after consumer_timeout, 30 minutes unless set",
            "raise consumer_timeout in rabbitmq.conf, or set task_time_limit below it",
        )
    soft = seconds(conf.task_soft_time_limit)
    if soft and longest and soft >= longest:
        yield warning(
            f"task_soft_time_limit ({soft:g} s) is not below task_time_limit ({longest:g} s): it never has an effect", "make it smaller"
        )


def check_process() -> Iterator[Finding]:
    """Look this machine's limits over."""
    good, warning, _ = judge("machine")
    with contextlib.suppress(ImportError):  # not on every system
        import resource

        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < _FILES:
            yield warning(f"a process may open {soft} files", "raise ulimit -n to 1024 or more")
        else:
            yield good(f"a process may open {soft:,} files" if soft >= 0 else "a process may open any number of files")

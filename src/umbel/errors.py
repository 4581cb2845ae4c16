"""Every exception that Umbel raises.

The names and their order of inheritance are those of ``celery.exceptions`` (Celery 5.7), so that code which catches them goes on
working; what Celery has no word for is ours. A class's docstring is its default message.

::

    UmbelError (alias CeleryError)
    ├── ImproperlyConfigured
    ├── SecurityError
    ├── OperationalError              the broker or the store cannot be reached, or refused
    │   ├── PublishError              a message was not taken
    │   │   ├── BrokerBlocked         … because the broker is in alarm
    │   │   └── MessageReturned       … because no queue is bound to its address
    │   └── AccessRefused             wrong user, password or virtual host: retrying will not help
    ├── ProtocolError                 the peer sent bytes that the protocol does not allow
    ├── MessageError                  a message cannot be used; `reason` names why, for dead letters
    │   ├── UnsupportedProtocol       neither protocol 1 nor 2
    │   ├── UnsupportedWorkflow       a workflow that this version cannot carry on
    │   ├── Unsigned                  (also SecurityError) no signature, where one is needed
    │   ├── Replayed                  (also SecurityError) it has been here before
    │   ├── Outdated                  (also SecurityError) signed too long ago to tell
    │   ├── DecodeError
    │   │   ├── BadSignature          (also SecurityError) changed, or not by a key that is trusted
    │   │   ├── ContentDisallowed     its content type is not in accept_content
    │   │   └── MessageTooLarge       a limit on size, count or depth was passed
    │   └── EncodeError
    ├── TaskPredicate                 raised by tasks to say how they end
    │   ├── Ignore
    │   ├── Reject
    │   └── Retry
    ├── TaskError
    │   ├── QueueNotFound             (also KeyError)
    │   ├── IncompleteStream
    │   ├── NotRegistered             (also KeyError)
    │   ├── AlreadyRegistered
    │   ├── DuplicateCall             a call with its unique key waits or runs
    │   ├── TimeoutError              (also the builtin)
    │   │   └── ResultExpired
    │   ├── MaxRetriesExceededError
    │   ├── TaskRevokedError
    │   ├── InvalidTaskError
    │   ├── ChordError
    │   └── UnknownTaskId
    ├── BackendError
    │   ├── BackendGetMetaError
    │   └── BackendStoreError
    ├── SoftTimeLimitExceeded
    ├── TimeLimitExceeded
    ├── WorkerLostError
    └── Terminated
    SystemExit
    ├── WorkerShutdown
    └── WorkerTerminate
"""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any, ClassVar

from umbel.reasons import DeadReason


class UmbelError(Exception):
    """Something went wrong in Umbel."""

    def __init__(self, *args: object) -> None:
        if not args and self.__class__.__doc__:
            args = (self.__class__.__doc__.splitlines()[0],)
        super().__init__(*args)


CeleryError = UmbelError


class ImproperlyConfigured(UmbelError):
    """The configuration cannot be used."""


class SecurityError(UmbelError):
    """A signature is missing or does not match."""


class OperationalError(UmbelError):
    """The broker or the result store cannot be reached, or refused the operation.

    Args:
        permanent: the server was reached, understood and refuses: trying again will not help. Which replies mean that is decided where a
            protocol is spoken (`umbel.wire.amqp.refusals`, `umbel.clients.redis.replies`, `umbel.clients.sqlite.database`);
            everything above only asks `is_permanent`.
        args: a text that says what failed, for people.
    """

    #: Trying again will not help.
    is_permanent: bool = False

    def __init__(self, *args: object, permanent: bool | None = None) -> None:
        super().__init__(*args)
        if permanent is not None:
            self.is_permanent = permanent


class PublishError(OperationalError):
    """The broker did not take the message."""


class BrokerBlocked(PublishError):
    """The broker takes no messages now: it is short of memory or disk."""


class MessageReturned(PublishError):
    """No queue is bound to the message's address."""

    is_permanent = True


class AccessRefused(OperationalError):
    """The broker refused the user, the password or the virtual host."""

    is_permanent = True


class ProtocolError(UmbelError):
    """The peer sent bytes that the protocol does not allow."""


class MessageError(UmbelError):
    """The message cannot be used."""

    #: Machine-readable word that is stored with a dead letter.
    reason: ClassVar[str] = DeadReason.INVALID_MESSAGE


class UnsupportedProtocol(MessageError):
    """The message is of neither task protocol 1 nor 2."""

    reason: ClassVar[str] = DeadReason.UNSUPPORTED_PROTOCOL


class UnsupportedWorkflow(MessageError):
    """The message belongs to a workflow that this version cannot carry on."""

    reason: ClassVar[str] = DeadReason.UNSUPPORTED_WORKFLOW


class DecodeError(MessageError):
    """The message body cannot be decoded."""

    reason: ClassVar[str] = DeadReason.UNDECODABLE


class ContentDisallowed(DecodeError):
    """The message's content type is not in accept_content."""

    reason: ClassVar[str] = DeadReason.CONTENT_DISALLOWED


class MessageTooLarge(DecodeError):
    """The message passes a limit on size, count or depth."""

    reason: ClassVar[str] = DeadReason.TOO_LARGE


class Unsigned(MessageError, SecurityError):
    """The message is not signed, and this worker takes signed ones only (message_signing)."""

    reason: ClassVar[str] = DeadReason.UNSIGNED


class BadSignature(DecodeError, SecurityError):
    """The signature is not that of this message, or not by a key that is trusted."""

    reason: ClassVar[str] = DeadReason.BAD_SIGNATURE


class Replayed(MessageError, SecurityError):
    """The message has been here before."""

    reason: ClassVar[str] = DeadReason.REPLAYED


class Outdated(MessageError, SecurityError):
    """The message was signed too long ago to tell whether it has been here before."""

    reason: ClassVar[str] = DeadReason.OUTDATED


class EncodeError(MessageError):
    """The value cannot be encoded with this serializer."""

    reason: ClassVar[str] = DeadReason.UNENCODABLE


class TaskPredicate(UmbelError):
    """Raised by a task to say how it ends."""


class Ignore(TaskPredicate):
    """The task ends without a state being stored."""


class Reject(TaskPredicate):
    """The task's message is rejected.

    Args:
        reason: shown in the log and kept with the dead letter.
        requeue: put the message back instead of dead-lettering it.
    """

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        self.reason = reason
        self.requeue = requeue
        super().__init__(reason, requeue)

    def __repr__(self) -> str:
        return f"reject requeue={self.requeue}: {self.reason}"


class Retry(TaskPredicate):
    """The task is to be run again later.

    Args:
        message: shown in the log.
        exc: the exception that made the retry necessary, or its ``repr``.
        when: seconds from now, or the time, of the next attempt.
        is_eager: the retry happens in the caller's process.
        sig: what is sent again.
        kwargs: kept among the exception's ``args``.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: float | datetime | None = None,
        is_eager: bool = False,
        sig: Any = None,
        **kwargs: Any,
    ) -> None:
        self.message = message
        self.exc: BaseException | None
        self.excs: str | None
        self.exc, self.excs = (None, exc) if isinstance(exc, str) else (exc, repr(exc) if exc else None)
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        super().__init__(message, exc, when, *kwargs.values())

    def humanize(self) -> str:
        """Return in words when the next attempt is."""
        if isinstance(self.when, (int, float)):
            return f"in {self.when}s"
        return f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}: {self.excs}" if self.excs else f"Retry {self.humanize()}"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.__class__, (self.message, self.exc or self.excs, self.when)


RetryTaskError = Retry


class TaskError(UmbelError):
    """A task cannot be sent, run or read."""


class QueueNotFound(TaskError, KeyError):
    """The queue is not configured and task_create_missing_queues is off."""

    __str__ = Exception.__str__


class IncompleteStream(TaskError):
    """The end of a data stream was found, but the data is not complete."""


class NotRegistered(TaskError, KeyError):
    """The task is not registered."""

    def __str__(self) -> str:
        return ": ".join(map(str, self.args))

    def __repr__(self) -> str:
        return f"Task of kind {self.args[0]!r} never registered, please make sure it's imported." if self.args else "NotRegistered()"


class AlreadyRegistered(TaskError):
    """A different task has this name."""


class DuplicateCall(TaskError):
    """A call with the same unique key waits or runs already.

    Args:
        args: a text for people.
        task_id: id of that call.
    """

    def __init__(self, *args: object, task_id: str = "") -> None:
        self.task_id = task_id
        super().__init__(*args)


class TimeoutError(TaskError, builtins.TimeoutError):
    """The operation timed out."""


class MaxRetriesExceededError(TaskError):
    """The task was tried again as often as it may be.

    Args:
        args: a text for people.
        task_args: positional arguments of the task.
        task_kwargs: keyword arguments of the task.
    """

    def __init__(self, *args: object, task_args: Any = (), task_kwargs: Any = None, **_: Any) -> None:
        self.task_args = task_args
        self.task_kwargs: Any = task_kwargs or {}
        super().__init__(*args)


class TaskRevokedError(TaskError):
    """The task was revoked, or expired before it could run."""


class InvalidTaskError(TaskError):
    """The task message has missing or invalid fields."""


class ChordError(TaskError):
    """A member of the chord failed or the chord's bookkeeping is lost."""


class ResultExpired(TimeoutError):
    """There is no result, and the task's id is older than results are kept: it is gone, or the task still waits or runs."""


class UnknownTaskId(TaskError):
    """No task with this id was ever sent."""


class BackendError(UmbelError):
    """The result store failed."""


class BackendGetMetaError(BackendError):
    """A result cannot be read.

    Args:
        args: a text for people.
        task_id: of the task.
    """

    def __init__(self, *args: object, task_id: str = "") -> None:
        self.task_id = task_id
        super().__init__(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()} task_id:{self.task_id}"


class BackendStoreError(BackendError):
    """A result cannot be stored.

    Args:
        args: a text for people.
        task_id: of the task.
        state: that could not be stored.
    """

    def __init__(self, *args: object, task_id: str = "", state: str = "") -> None:
        self.task_id = task_id
        self.state = state
        super().__init__(*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()} state:{self.state} task_id:{self.task_id}"


class SoftTimeLimitExceeded(UmbelError):
    """SoftTimeLimitExceeded"""

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    def __str__(self) -> str:
        return f"SoftTimeLimitExceeded{self.args}"


class TimeLimitExceeded(UmbelError):
    """TimeLimitExceeded"""

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    def __str__(self) -> str:
        return f"TimeLimitExceeded{self.args}"


class WorkerLostError(UmbelError):
    """The process that ran the task ended before the task did."""


class Terminated(UmbelError):
    """The task was terminated by a signal."""


class WorkerShutdown(SystemExit):
    """The worker is to stop after its running tasks (warm)."""


class WorkerTerminate(SystemExit):
    """The worker is to stop at once (cold)."""


class UmbelWarning(UserWarning):
    """Something that will surprise you later."""


CeleryWarning = UmbelWarning


class AlwaysEagerIgnored(UmbelWarning):
    """send_task() does not look at task_always_eager."""


class NotConfigured(UmbelWarning):
    """No configuration was found; the defaults are used."""


class SecurityWarning(UmbelWarning):
    """A setting that is not safe."""


class DuplicateNodenameWarning(UmbelWarning):
    """Two workers have the same name."""


class DuplicateTaskNameWarning(UmbelWarning):
    """Celery's; here two tasks of one name are an error."""


class FixupWarning(UmbelWarning):
    """Celery's, for filters; here it is never given."""


class CDeprecationWarning(DeprecationWarning):
    """Celery's, for filters; here it is never given."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """Celery's, for filters; here it is never given."""

"""OpenTelemetry's traces: one from the call to the task's own code, over the message. `UmbelInstrumentor` is also found by ``opentelemetry-instrument``.

Trace context travels in the message's headers as W3C Trace Context has it (``traceparent``, ``tracestate``, ``baggage``), so that tasks of
Celery with its instrumentation, on either side, are parts of one trace. Names of attributes: OpenTelemetry's conventions for messaging.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from opentelemetry import context, propagate, trace
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its module has an __all__ of its own
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from umbel import hooks, states
from umbel._version import __version__

#: Milliseconds that a process has to hand over its spans when it ends.
_FLUSH: Final = 5000


class UmbelInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Makes a span of each message that is sent and of each task that runs."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no requirements: it comes with the package that it instruments."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._provider = kwargs.get("tracer_provider")
        self._tracer = trace.get_tracer(__name__, __version__, self._provider)
        #: Tasks that run in this process: span, and how to leave its context, by task id and attempt.
        self._running: dict[tuple[str, Any], tuple[Span, Any]] = {}
        for name, receiver in self._receivers().items():
            getattr(hooks, name).connect(receiver, weak=False, dispatch_uid=__name__)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - as the library calls it
        for name in self._receivers():
            getattr(hooks, name).disconnect(dispatch_uid=__name__)

    def _receivers(self) -> dict[str, Any]:
        return {
            "before_task_publish": self._send,
            "task_prerun": self._begin,
            "task_retry": self._retry,
            "task_failure": self._fail,
            "task_postrun": self._end,
            "worker_process_shutdown": self._flush,
            "worker_shutdown": self._flush,
        }

    def _send(self, sender: Any = None, headers: Any = None, exchange: str = "", routing_key: str = "", **_: Any) -> None:
        if not isinstance(headers, dict):
            return
        attributes = {
            **_attributes(str(sender), headers.get("id"), exchange or routing_key),
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
        }
        span = self._tracer.start_span(f"send {sender}", kind=SpanKind.PRODUCER, attributes=attributes)
        propagate.inject(headers, trace.set_span_in_context(span))
        span.end()

    def _begin(self, task_id: str, task: Any, **_: Any) -> None:
        request = task.request
        info = request.delivery_info or {}
        attributes = {
            **_attributes(task.name, task_id, info.get("exchange") or info.get("routing_key")),
            "messaging.operation.type": "process",
            "messaging.operation.name": "run",
            "umbel.task.retries": request.retries or 0,
        }
        parent = propagate.extract(request, getter=_RequestGetter())
        span = self._tracer.start_span(f"run {task.name}", parent, SpanKind.CONSUMER, attributes)
        self._running[task_id, request.retries] = span, context.attach(trace.set_span_in_context(span))

    def _retry(self, request: Any = None, reason: Any = None, **_: Any) -> None:
        span = self._span(request)
        if span is not None:
            span.add_event("retry", {"reason": str(reason)})

    def _fail(self, sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
        span = self._span(getattr(sender, "request", None))
        if span is not None and exception is not None:
            span.record_exception(exception)
            span.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))

    def _span(self, request: Any) -> Span | None:
        span, _ = self._running.get((getattr(request, "id", ""), getattr(request, "retries", None)), (None, None))
        return span

    def _end(self, task_id: str, task: Any, state: Any = None, **_: Any) -> None:
        entered = self._running.pop((task_id, task.request.retries), None)
        if entered is None:
            return
        span, token = entered
        span.set_attribute("umbel.task.state", str(state))
        if state == states.SUCCESS:
            span.set_status(Status(StatusCode.OK))
        span.end()
        context.detach(token)

    def _flush(self, **_: Any) -> None:
        provider: Any = self._provider or trace.get_tracer_provider()
        if hasattr(provider, "force_flush"):
            provider.force_flush(_FLUSH)


class _RequestGetter(Getter[Any]):
    """Reads the headers of a task's request."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = _header(carrier, key)
        return None if value is None else [str(value)]

    def keys(self, carrier: Any) -> list[str]:
        headers: Iterable[Any] = carrier.headers if isinstance(getattr(carrier, "headers", None), Mapping) else ()
        return [str(name) for name in headers]


def _header(request: Any, name: str) -> Any:
    value = getattr(request, name, None)
    if value is None and isinstance(getattr(request, "headers", None), Mapping):
        value = request.headers.get(name)
    return value


def _attributes(task: str, task_id: Any, destination: Any) -> dict[str, Any]:
    named = {"messaging.message.id": task_id, "messaging.destination.name": destination or None, "umbel.task.name": task}
    return {"messaging.system": "umbel", **{name: value for name, value in named.items() if value is not None}}

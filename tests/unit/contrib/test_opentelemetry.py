from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from umbel import Umbel, hooks
from umbel.contrib.opentelemetry import UmbelInstrumentor
from umbel.testing import start_worker


@pytest.fixture
def exporter():
    exporter, provider, instrumentor = InMemorySpanExporter(), TracerProvider(), UmbelInstrumentor()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    exporter.tracer = provider.get_tracer("test")
    yield exporter
    instrumentor.uninstrument()


@pytest.fixture
def app(tmp_path):
    app = Umbel("traced", broker=f"memory:///{tmp_path.name}", backend=f"cache+memory:///{tmp_path.name}", set_as_current=False)

    @app.task(name="add")
    def add(x, y):
        return x + y, trace.get_current_span().get_span_context().span_id

    @app.task(name="fail")
    def fail():
        raise ValueError("no")

    @app.task(name="again", bind=True, max_retries=1)
    def again(self):
        if not self.request.retries:
            raise self.retry(countdown=0)

    yield app
    app.close()


def spans(exporter):
    return {(span.name, (span.attributes or {}).get("umbel.task.retries")): span for span in exporter.get_finished_spans()}


def test_one_trace_goes_from_the_call_to_the_tasks_own_code(app, exporter):
    with start_worker(app), exporter.tracer.start_as_current_span("request") as request:
        value, inside = app.tasks["add"].delay(30, 42).get(timeout=10)
    assert value == 72
    found = spans(exporter)
    send, run = found["send add", None], found["run add", 0]
    assert {send.context.trace_id, run.context.trace_id} == {request.get_span_context().trace_id}
    assert send.parent.span_id == request.get_span_context().span_id
    assert run.parent.span_id == send.context.span_id
    assert run.context.span_id == inside
    assert (send.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert run.status.status_code is StatusCode.OK
    assert run.attributes["messaging.destination.name"] == "celery"
    assert run.attributes["umbel.task.state"] == "SUCCESS"


def test_an_error_is_recorded(app, exporter):
    with start_worker(app), pytest.raises(ValueError, match="no"):
        app.tasks["fail"].delay().get(timeout=10)
    run = spans(exporter)["run fail", 0]
    assert (run.status.status_code, run.status.description) == (StatusCode.ERROR, "ValueError: no")
    assert [event.name for event in run.events] == ["exception"]


def test_each_attempt_is_a_span_of_the_same_trace(app, exporter):
    with start_worker(app):
        app.tasks["again"].delay().get(timeout=10)
    found = spans(exporter)
    first, second = found["run again", 0], found["run again", 1]
    assert first.context.trace_id == second.context.trace_id
    assert [event.name for event in first.events] == ["retry"]
    assert first.attributes["umbel.task.state"] == "RETRY"


def test_it_leaves_nothing_behind(app, exporter):
    UmbelInstrumentor().uninstrument()
    with start_worker(app):
        app.tasks["add"].delay(1, 2).get(timeout=10)
    assert not exporter.get_finished_spans()
    assert not any("opentelemetry" in str(each.key) for each in hooks.task_prerun.receivers)
    UmbelInstrumentor().instrument()


def test_it_is_found_by_its_entry_point():
    from importlib.metadata import entry_points

    (point,) = (each for each in entry_points(group="opentelemetry_instrumentor") if each.name == "umbel")
    assert point.load() is UmbelInstrumentor

"""Spans of tasks in real children, also of those that end after one task."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from system.processes import eventually

TASKS = """
import asyncio, os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from umbel import Umbel
from umbel.contrib.opentelemetry import UmbelInstrumentor

class ToFile(SpanExporter):
    def export(self, spans):
        with open("spans", "a") as file:
            file.write("".join(span.to_json(indent=None) + chr(10) for span in spans))
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ToFile(), schedule_delay_millis=3_600_000))
trace.set_tracer_provider(provider)
UmbelInstrumentor().instrument()
app = Umbel("traced", broker="sqlite:///umbel.db", backend="sqlite:///umbel.db")

@app.task
def where():
    return format(trace.get_current_span().get_span_context().span_id, "016x")

@app.task
async def where_async():
    await asyncio.sleep(0.01)
    return where()
"""
SEND = """
import json
from traced import app, where, where_async, trace, provider
with trace.get_tracer("t").start_as_current_span("request") as span:
    results = [(where, where_async)[number % 2].delay() for number in range({count})]
    inside = [result.get(timeout=60) for result in results]
    print(json.dumps([format(span.get_span_context().trace_id, "032x"), inside]))
"""


@pytest.mark.parametrize(
    "options", [("-c", "2", "--max-tasks-per-child", "1"), ("-P", "asyncio", "-c", "10")], ids=["one task per child", "asyncio"]
)
def test_every_span_is_exported_and_belongs_to_the_callers_trace(tmp_path, options):
    (tmp_path / "traced.py").write_text(TASKS)
    count = 20
    command = [sys.executable, "-m", "umbel", "-A", "traced", "worker", *options]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as worker:
        try:
            environment = {**os.environ, "PYTHONPATH": "."}
            sent = subprocess.run(
                [sys.executable, "-c", SEND.format(count=count)],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=90,
            )
        finally:
            worker.terminate()
            worker.communicate(timeout=60)
    trace_id, inside = json.loads(sent.stdout)

    def runs():
        spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
        return [span for span in spans if span["name"].startswith("run ")]

    eventually(lambda: len(runs()) == count)
    assert {span["context"]["trace_id"] for span in runs()} == {f"0x{trace_id}"}
    assert {span["context"]["span_id"] for span in runs()} == {f"0x{span_id}" for span_id in inside}

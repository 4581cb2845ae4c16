"""Try packages that extend Celery with Umbel in Celery's place: ``python scripts/third_party.py [NAME …]``.

It makes an environment in ``.build/third-party`` at first use, runs one small program per package there with ``UMBEL_AS_CELERY=1``, and prints a table.
Redis is that of ``UMBEL_TEST_REDIS``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".build" / "third-party"
PYTHON = VENV / "bin" / "python"
BASE = [
    "celery==5.7.0",
    "redis",
    "django",
    "python-crontab",
    "cron-descriptor",
    "django-timezone-field",
    "tenacity",
    "python-dateutil",
    "opentelemetry-sdk",
    "opentelemetry-semantic-conventions",
    "opentelemetry-instrumentation",
    "sentry-sdk==2.75.0",
    "tornado",
    "humanize",
    "prometheus_client",
    "pytest",
    "pytz",
]
#: Without what they require: some of them want an older Celery.
PACKAGES = [
    "django-celery-results==2.6.0",
    "django-celery-beat==2.9.0",
    "celery-redbeat==2.4.2",
    "celery-singleton==0.3.1",
    "celery-once==3.0.1",
    "celery-batches==0.11",
    "celery-types==0.26.0",
    "opentelemetry-instrumentation-celery==0.66b2",
    "flower==2.2.0",
]

HEAD = """
import os, time
from celery import Celery
from celery.contrib.testing.worker import start_worker
REDIS = os.environ.get("UMBEL_TEST_REDIS", "redis://127.0.0.1:6379").rstrip("/") + "/5"
QUEUE = "third-party-%d" % os.getpid()
app = Celery("third", broker="sqlite:///broker.db", backend="sqlite:///results.db")
app.conf.task_default_queue = QUEUE
"""
DJANGO = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_results", "django_celery_beat"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.db"}}, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
ADD = """
@app.task(name="add")
def add(a, b): return a + b
"""
RUN = """
with start_worker(app, perform_ping_check=False, pool="solo"):
    assert add.delay(1, 2).get(timeout=10) == 3
"""
PROGRAMS = {
    "celery.contrib.testing": HEAD + ADD + RUN,
    "django-celery-results": DJANGO
    + HEAD.replace("sqlite:///results.db", "django-db")
    + ADD
    + RUN
    + "from django_celery_results.models import TaskResult\nassert TaskResult.objects.get().status == 'SUCCESS'",
    "django-celery-beat": DJANGO
    + HEAD
    + """
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler
every, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
PeriodicTask.objects.create(name="p", task="add", args="[1, 2]", interval=every)
scheduler = DatabaseScheduler(app=app)
assert "p" in scheduler.schedule
end = time.monotonic() + 15
while not PeriodicTask.objects.get(name="p").total_run_count and time.monotonic() < end:
    time.sleep(max(0.01, min(scheduler.tick(), 1.1)))
    scheduler.sync()
assert PeriodicTask.objects.get(name="p").total_run_count
""",
    "celery-redbeat": HEAD
    + """
app.conf.redbeat_redis_url = REDIS
app.conf.redbeat_key_prefix = QUEUE
app.conf.redbeat_lock_key = None  # beat takes the lock at its start, and here is none
from redbeat import RedBeatSchedulerEntry
from celery.schedules import schedule
entry = RedBeatSchedulerEntry("e", "add", schedule(1), args=[1, 2], app=app)
entry.save()
assert RedBeatSchedulerEntry.from_key(entry.key, app=app).args == [1, 2]
from redbeat import RedBeatScheduler
scheduler = RedBeatScheduler(app=app)
end = time.monotonic() + 15
while not RedBeatSchedulerEntry.from_key(entry.key, app=app).total_run_count and time.monotonic() < end:
    time.sleep(max(0.01, min(scheduler.tick(), 1.1)))
assert RedBeatSchedulerEntry.from_key(entry.key, app=app).total_run_count
entry.delete()
""",
    "celery-singleton": HEAD
    + """
from celery_singleton import Singleton
app.conf.singleton_backend_url = REDIS
app.conf.singleton_key_prefix = QUEUE
@app.task(name="add", base=Singleton)
def add(a, b): return a + b
first = add.delay(1, 2)
assert add.delay(1, 2).id == first.id
with start_worker(app, perform_ping_check=False, pool="solo"):
    assert first.get(timeout=10) == 3
""",
    "celery-once": HEAD
    + """
from celery_once import QueueOnce, AlreadyQueued
app.conf.ONCE = {"backend": "celery_once.backends.Redis", "settings": {"url": REDIS, "default_timeout": 60}}
@app.task(name=QUEUE, base=QueueOnce)
def add(a, b): return a + b
first = add.delay(1, 2)
try: add.delay(1, 2)
except AlreadyQueued: pass
else: raise AssertionError("queued twice")
with start_worker(app, perform_ping_check=False, pool="solo"):
    assert first.get(timeout=10) == 3
""",
    "celery-batches (import only)": HEAD + "from celery_batches import Batches\n",
    "sentry-sdk": HEAD
    + """
import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
events = []
sentry_sdk.init("http://a@127.0.0.1:9/1", integrations=[CeleryIntegration()], before_send=lambda e, h: events.append(e))
@app.task(name="add")
def add(a, b): return a / b
with start_worker(app, perform_ping_check=False, pool="solo"):
    add.delay(1, 0).get(timeout=10, propagate=False)
assert events, "no event"
""",
    "opentelemetry": HEAD
    + """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
from opentelemetry.instrumentation.celery import CeleryInstrumentor
CeleryInstrumentor().instrument()
"""
    + ADD
    + RUN
    + "names = {span.name for span in spans.get_finished_spans()}\nassert names == {'apply_async/add', 'run/add'}, names",
    "flower (import only)": HEAD + "from flower.command import flower\nfrom flower.app import Flower\n",
}


def _make() -> None:
    if (VENV / "ready").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "-e", str(ROOT), *BASE], check=True)
    subprocess.run([*pip, "--no-deps", *PACKAGES], check=True)
    (VENV / "ready").touch()


def _outcome(program: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(program)
        try:
            done = subprocess.run(
                [str(PYTHON), str(file)],
                cwd=folder,
                env={**os.environ, "UMBEL_AS_CELERY": "1"},
                capture_output=True,
                text=True,
                timeout=25,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "not within 25 s"
    return "works" if not done.returncode else next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")


def main() -> None:
    """Print the outcome of each program, or of those that are named."""
    _make()
    for name in sys.argv[1:] or PROGRAMS:
        print(f"| {name} | {_outcome(PROGRAMS[name])} |", flush=True)


if __name__ == "__main__":
    main()

"""The app."""

from celery import Celery, signals

from . import journal, serializer, steps
from .base import Journaled

serializer.register_upside_down()
app = Celery("shop", task_cls=Journaled)
app.config_from_object("shop.celeryconfig")
app.autodiscover_tasks(["shop.tasks"], related_name="orders")
app.autodiscover_tasks(["shop.tasks"], related_name="reports")
app.steps["worker"].add(steps.Greeter)


@app.on_after_configure.connect
def setup_periodic_tasks(sender, **_):
    sender.add_periodic_task(3600.0, sender.signature("shop.tasks.reports.tick", args=("hourly",)), name="hourly")


@signals.worker_ready.connect
def ready(sender=None, **_):
    journal.write("worker_ready", hostname=sender.hostname)


@signals.worker_process_init.connect
def child(**_):
    journal.write("worker_process_init")


@signals.task_prerun.connect
def prerun(sender=None, task_id=None, task=None, args=None, kwargs=None, **_):
    journal.write("prerun", id=task_id, name=sender.name)


@signals.task_postrun.connect
def postrun(task_id=None, state=None, retval=None, **_):
    journal.write("postrun", id=task_id, state=state)


@signals.task_retry.connect
def retried(request=None, reason=None, **_):
    journal.write("retried", id=request.id, reason=str(reason))


@signals.task_failure.connect
def failed(task_id=None, exception=None, **_):
    journal.write("failed", id=task_id, exception=type(exception).__name__)


@signals.task_revoked.connect
def revoked(request=None, terminated=None, expired=None, **_):
    journal.write("revoked", id=request.id, terminated=bool(terminated), expired=bool(expired))


@signals.before_task_publish.connect
def stamp_tenant(sender=None, headers=None, **_):
    headers["tenant"] = headers.get("tenant") or "acme"

"""The tables of a project: results, schedules and the outbox.

Results have the columns that those of django-celery-results have; schedules are entries as `umbel.beat.entries` knows them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from umbel import states

#: The most characters of an id or a name in a column.
WIDTH = 255


class TaskResult(models.Model):
    """The outcome of one call of a task, as far as it is known."""

    task_id = models.CharField("task id", max_length=WIDTH, unique=True)
    periodic_task_name = models.CharField("periodic task", max_length=255, null=True, blank=True)
    task_name = models.CharField("task", max_length=255, null=True, blank=True, db_index=True)
    task_args = models.TextField("arguments", null=True, blank=True)
    task_kwargs = models.TextField("named arguments", null=True, blank=True)
    status = models.CharField("state", max_length=50, default=states.PENDING, db_index=True)
    worker = models.CharField("worker", max_length=255, null=True, blank=True, db_index=True)
    content_type = models.CharField("content type", max_length=128)
    content_encoding = models.CharField("content encoding", max_length=64)
    result = models.TextField("result", null=True, blank=True)
    date_created = models.DateTimeField("first stored", auto_now_add=True, db_index=True)
    date_started = models.DateTimeField("began", null=True, blank=True)
    date_done = models.DateTimeField("stored", db_index=True)
    traceback = models.TextField("traceback", null=True, blank=True)
    #: JSON: the children, the group, the parent, and what is known with result_extended beside the columns.
    meta = models.TextField("more", null=True, blank=True)

    class Meta:
        """Of Django."""

        ordering: ClassVar = ["-date_done"]
        verbose_name = "task result"

    def __str__(self) -> str:
        return f"{self.task_name or 'task'}[{self.task_id}] {self.status}"


class StoredValue(models.Model):
    """A value by key: what is kept of groups, of chords and of revoked tasks."""

    key = models.CharField(max_length=WIDTH, primary_key=True)
    value = models.BinaryField()
    changed = models.FloatField(db_index=True)

    def __str__(self) -> str:
        return str(self.key)


class ScheduleState(models.Model):
    """The one row that all schedulers share: the revision of the schedule, and who sends it."""

    only_row = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveIntegerField(default=1)
    namespace = models.CharField(max_length=32)
    revision = models.BigIntegerField(default=0)
    token = models.CharField(max_length=64, default="", blank=True)
    until = models.FloatField(default=0.0)

    def __str__(self) -> str:
        return f"revision {self.revision}"


class PeriodicTask(models.Model):
    """An entry of the schedule. Its `document` says what is sent, and when; `umbel.beat.editing.Schedules` changes it."""

    name = models.CharField("name", max_length=WIDTH, primary_key=True)
    task = models.CharField("task", max_length=255, default="", db_index=True)
    document = models.TextField("what and when")
    status = models.CharField("status", max_length=16)
    revision = models.BigIntegerField(db_index=True)
    after = models.FloatField()
    last_fired = models.FloatField(null=True, blank=True)
    last_id = models.CharField(max_length=WIDTH, null=True, blank=True)
    total_runs = models.BigIntegerField("runs", default=0)

    class Meta:
        """Of Django."""

        ordering: ClassVar = ["name"]
        verbose_name = "periodic task"

    def __str__(self) -> str:
        return str(self.name)


class PeriodicRun(models.Model):
    """One time that an entry was due."""

    task_id = models.CharField("task id", max_length=WIDTH, primary_key=True)
    entry = models.CharField("periodic task", max_length=WIDTH)
    slot = models.FloatField("due")
    fired = models.FloatField("sent", db_index=True)
    state = models.CharField("state", max_length=64)
    by_hand = models.BooleanField("by hand", default=False)
    missed = models.IntegerField("missed before", default=0)
    worker = models.CharField("worker", max_length=255, default="", blank=True)
    runtime = models.FloatField("seconds", null=True, blank=True)
    ended = models.FloatField("ended", null=True, blank=True)
    detail = models.TextField("detail", default="", blank=True)
    holder = models.CharField(max_length=64, default="", blank=True)
    state_rank = models.SmallIntegerField(default=0)

    class Meta:
        """Of Django."""

        ordering: ClassVar = ["-fired", "-slot", "-task_id"]
        verbose_name = "run of a periodic task"
        verbose_name_plural = "runs of periodic tasks"
        indexes: ClassVar = [
            models.Index(fields=["entry", "fired"], name="umbel_run_entry"),
            models.Index(fields=["state_rank", "fired"], name="umbel_run_open"),
        ]

    def __str__(self) -> str:
        return f"{self.entry} {self.state}"


class OutboxMessage(models.Model):
    """A message that waits for a relay to publish it."""

    #: Messages of one process have one shard, which one relay at a time works on: so they keep their order.
    shard = models.PositiveSmallIntegerField()
    task_id = models.CharField(max_length=255)
    task = models.CharField(max_length=255)
    envelope = models.TextField()
    body = models.BinaryField()
    created = models.FloatField(db_index=True)
    #: Why the broker refuses it, if it does.
    refused = models.TextField(default="", blank=True)

    class Meta:
        """Of Django."""

        ordering: ClassVar = ["id"]
        verbose_name = "message in the outbox"
        verbose_name_plural = "messages in the outbox"
        indexes: ClassVar = [models.Index(fields=["shard", "id"], name="umbel_outbox_order")]

    def __str__(self) -> str:
        return f"{self.task}[{self.task_id}]"


class OutboxShard(models.Model):
    """A part of the outbox, and the relay that has it where the database cannot skip locked rows."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    token = models.CharField(max_length=64, default="", blank=True)
    until = models.FloatField(default=0.0)

    def __str__(self) -> str:
        return str(self.number)


def columns_of(model: Any) -> list[str]:
    """List the columns of a model, in their order.

    Args:
        model: one of this module.
    """
    return [field.column for field in model._meta.concrete_fields]  # noqa: SLF001 - Django's public name for it

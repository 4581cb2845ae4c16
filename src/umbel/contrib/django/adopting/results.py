"""Results and groups of django-celery-results."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from umbel.contrib.django.adopting.tables import moment, rows_of
from umbel.contrib.django.models import TaskResult
from umbel.contrib.django.results.rows import RowCodec, key_of
from umbel.errors import UmbelError

_RESULTS: Final = "django_celery_results_taskresult"
_GROUPS: Final = "django_celery_results_groupresult"
#: Columns that are the same.
_SAME: Final = (
    "periodic_task_name", "task_name", "task_args", "task_kwargs", "status", "worker", "content_type", "content_encoding", "result", "traceback", "meta",
)  # fmt: skip
_BATCH: Final = 500


def take_results(alias: str, *, writes: bool = True) -> tuple[int, int]:
    """Copy the results that are not here yet; returns how many there are, and how many were copied.

    Args:
        alias: of the database.
        writes: do so; else only count.
    """
    source = rows_of(alias, _RESULTS)
    seen = copied = 0
    while batch := list(islice(source, _BATCH)):
        seen += len(batch)
        known = TaskResult.objects.using(alias).filter(task_id__in=[key_of(row["task_id"]) for row in batch])
        here = set(known.values_list("task_id", flat=True))
        new = [_result(row) for row in batch if key_of(row["task_id"]) not in here]
        copied += len(new)
        if writes:
            _keep(alias, new)
    return seen, copied


def _result(row: dict[str, Any]) -> TaskResult:
    found = TaskResult(task_id=key_of(row["task_id"]), **{name: row[name] for name in _SAME if name in row})
    found.date_done = moment(row["date_done"])
    found.date_created = moment(row.get("date_created")) or found.date_done
    found.date_started = moment(row.get("date_started"))
    return found


def _keep(alias: str, new: Iterable[TaskResult]) -> None:
    created = {row.task_id: row.date_created for row in new}
    rows = TaskResult.objects.using(alias)
    rows.bulk_create(list(new), ignore_conflicts=True)
    for task_id, date in created.items():  # else it is that of the copy
        rows.filter(task_id=task_id).update(date_created=date)


def take_groups(alias: str, store: Any, *, writes: bool = True) -> tuple[int, list[str]]:
    """Copy the trees of groups; returns how many, and sentences about those that cannot be read.

    Args:
        alias: of the database.
        store: the result store of the project's app.
        writes: do so; else only count.
    """
    codec = RowCodec(store.options)
    count, remarks = 0, []
    for row in rows_of(alias, _GROUPS):
        try:
            tree = codec.load(row["result"], row["content_type"], row["content_encoding"])
        except UmbelError as error:
            remarks.append(f"group {row['group_id']}: {error}")
            continue
        count += 1
        if writes and tree is not None and store.groups is not None:
            store.groups.save(row["group_id"], tree)
    return count, remarks

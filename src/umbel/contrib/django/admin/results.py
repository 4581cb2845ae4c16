"""The pages of results, and of messages in the outbox."""

from __future__ import annotations

import ast
import json
from typing import Any, ClassVar

from django.contrib import admin, messages

from umbel.app.proxies import get_current_app
from umbel.contrib.django.models import OutboxMessage, TaskResult
from umbel.contrib.outbox.base import REFUSED, shard_of_process
from umbel.errors import UmbelError


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows that nobody writes by hand."""

    def has_add_permission(self, request: Any) -> bool:
        """Say no.

        Args:
            request: of the page.
        """
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        """Say no.

        Args:
            request: of the page.
            obj: the row.
        """
        return False


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnlyAdmin):
    """Results, with an action that sends calls once more."""

    date_hierarchy = "date_done"
    list_display = ("task_id", "task_name", "status", "date_done", "worker")
    list_filter = ("status", "date_done", "task_name", "worker")
    search_fields = ("task_id", "task_name", "task_args", "task_kwargs")
    actions: ClassVar = ["send_again"]

    @admin.action(description="Send again those that have failed", permissions=["view"])
    def send_again(self, request: Any, queryset: Any) -> None:
        """Send the calls of failed tasks once more, as new calls.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        if not request.user.has_perm("umbel.change_taskresult"):
            self.message_user(request, "You may look at results, and not change them.", messages.ERROR)
            return
        app, sent = get_current_app(), 0
        for row in queryset:
            if row.status not in ("FAILURE", "REVOKED"):
                continue
            try:
                _send_again(app, row)
                sent += 1
            except (UmbelError, ValueError, SyntaxError, TypeError) as error:
                self.message_user(request, f"{row.task_id} cannot be sent: {error}", messages.ERROR)
        self.message_user(request, f"{sent} sent again.", messages.SUCCESS if sent else messages.WARNING)


def _send_again(app: Any, row: Any) -> None:
    if not row.task_name or row.task_args is None:
        raise ValueError("its name or its arguments were not kept: set UMBEL_RESULT_EXTENDED = True")
    extended = (json.loads(row.meta or "{}") or {}).get("extended") or {}
    queue = extended.get("queue")
    app.send_task(row.task_name, tuple(_value(row.task_args)), dict(_value(row.task_kwargs or "{}")), **({"queue": queue} if queue else {}))


def _value(text: str) -> Any:
    """Arguments as we keep them; or as django-celery-results does, as the text of their text."""
    found = json.loads(text)
    return ast.literal_eval(found) if isinstance(found, str) else found


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """Messages in the outbox."""

    list_display = ("task", "task_id", "is_refused", "refused")
    list_filter = ("task",)
    search_fields = ("task", "task_id")
    actions: ClassVar = ["take_back"]
    exclude = ("body",)

    @admin.display(boolean=True, description="refused")
    def is_refused(self, row: Any) -> bool:
        """Report whether the broker refuses it.

        Args:
            row: a message.
        """
        return bool(row.shard == REFUSED)

    @admin.action(description="Publish again those that were refused", permissions=["delete"])
    def take_back(self, request: Any, queryset: Any) -> None:
        """Have relays try once more.

        Args:
            request: of the page.
            queryset: rows that were chosen.
        """
        count = queryset.filter(shard=REFUSED).update(shard=shard_of_process(), refused="")
        self.message_user(request, f"{count} will be published again.")

"""`webhook_task`: a task that posts a signed document, and tries again for as long as that may help."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from umbel.app.task.task import Task
from umbel.contrib.webhooks.posting import Answer, post
from umbel.contrib.webhooks.signing import ID, SIGNATURE, TIMESTAMP, sign
from umbel.errors import ImproperlyConfigured, UmbelError

NAME: Final = "umbel.webhook"
#: Statuses that pass: the server is busy, or not ready.
_PASSING: Final = (408, 409, 425, 429)
_DAY: Final = 86400.0
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "umbel-webhooks"}
#: Characters of an answer in an error.
_SHOWN: Final = 200


class WebhookFailed(UmbelError):
    """The receiver has not taken the webhook."""


def webhook_task(
    app: Any,
    secret: str | Callable[[str], str],
    *,
    name: str = NAME,
    attempts: int = 10,
    first_pause: float = 5.0,
    timeout: float = 10.0,
    private: bool = False,
    **options: Any,
) -> Task[..., dict[str, int]]:
    """Make a task that posts signed documents.

    ``send = webhook_task(app, secret)``, then ``send.delay(url, {"event": "paid", …})`` posts JSON with the headers ``webhook-id`` (the call's id, the same at each attempt: the receiver's idempotency key), ``webhook-timestamp`` and ``webhook-signature``, and
    ``Idempotency-Key``. It returns ``{"status": …, "attempts": …}``. Connections that fail, 5xx, 408, 409, 425 and 429 are tried again, after twice the pause each time, or
    what ``Retry-After`` says; any other answer but 2xx is a failure.

    Args:
        app: whose task it is.
        secret: that the receiver has, too; or a function that finds it by the URL, so that each receiver has one of its own.
        name: of the task.
        attempts: in all.
        first_pause: seconds before the second one.
        timeout: seconds for each wait for the receiver.
        private: addresses that are not of the public internet are allowed. Not where users give the URLs.
        **options: more of the task, as for `umbel.Umbel.task`.

    Raises:
        ImproperlyConfigured: the secret is none.
    """
    if not callable(secret):
        sign(secret, "", 0, b"")

    def send(self: Any, url: str, payload: Any, headers: Mapping[str, str] | None = None) -> dict[str, int]:
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        request = self.request
        message_id, now = request.id or "direct", int(self.app.time.now())
        signature = sign(secret(url) if callable(secret) else secret, message_id, now, body)
        signed = {ID: message_id, TIMESTAMP: str(now), SIGNATURE: signature, "Idempotency-Key": message_id}
        pause, answer = first_pause * 2**request.retries, None
        try:
            answer = post(url, body, {**_HEADERS, **(headers or {}), **signed}, timeout=timeout, private=private)
        except OSError as error:
            failure = WebhookFailed(f"the receiver cannot be reached: {type(error).__name__}: {error}")
        else:
            if 200 <= answer.status < 300:
                return {"status": answer.status, "attempts": request.retries + 1}
            failure = WebhookFailed(f"the receiver answered {answer.status}: {answer.text[:_SHOWN]}")
            if not _passes(answer):
                raise failure
            pause = max(pause, answer.retry_after or 0.0)
        raise self.retry(exc=failure, countdown=min(pause, _DAY))

    made = {"bind": True, "name": name, "max_retries": attempts - 1, "throws": (WebhookFailed, ImproperlyConfigured), **options}
    task: Task[..., dict[str, int]] = app.task(**made)(send)
    return task


def _passes(answer: Answer) -> bool:
    """Report whether another attempt may end better."""
    return answer.status >= 500 or answer.status in _PASSING

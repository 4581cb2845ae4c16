"""Webhooks: a task that posts to other people's addresses, signed and tried again; and the check of what came. Signatures are those of standardwebhooks.com."""

from umbel.contrib.webhooks.signing import InvalidSignature, sign, verify
from umbel.contrib.webhooks.task import WebhookFailed, webhook_task

__all__ = ["InvalidSignature", "WebhookFailed", "sign", "verify", "webhook_task"]

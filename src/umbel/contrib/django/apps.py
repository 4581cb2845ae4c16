"""The application that Django installs."""

from __future__ import annotations

from django.apps import AppConfig


class UmbelConfig(AppConfig):
    """Connects Umbel to a Django project."""

    name = "umbel.contrib.django"
    label = "umbel"
    verbose_name = "Umbel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the project's app made when it is needed, and see to connections, the outbox and checks."""
        from umbel.contrib.django import checks, preparing

        checks.register()
        preparing.install()

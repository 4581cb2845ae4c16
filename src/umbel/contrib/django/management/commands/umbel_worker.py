"""``manage.py umbel_worker``."""

from __future__ import annotations

from umbel.contrib.django.management.running import UmbelCommand


class Command(UmbelCommand):
    """Run the tasks of this project."""

    help = "Run the tasks of this project; its options are those of `umbel worker`."
    words = ("worker",)

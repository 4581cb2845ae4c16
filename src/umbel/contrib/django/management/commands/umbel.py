"""``manage.py umbel``."""

from __future__ import annotations

from umbel.contrib.django.management.running import UmbelCommand


class Command(UmbelCommand):
    """Run a command of Umbel for this project"""

    help = "Run a command of Umbel for this project; its options are those of `umbel`."
    words = ()

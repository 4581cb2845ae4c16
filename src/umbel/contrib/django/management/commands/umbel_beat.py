"""``manage.py umbel_beat``."""

from __future__ import annotations

from umbel.contrib.django.management.running import UmbelCommand


class Command(UmbelCommand):
    """Send the periodic tasks of this project."""

    help = "Send the periodic tasks of this project; its options are those of `umbel beat`."
    words = ("beat",)

"""Pages of the admin. Found by Django, which imports ``admin`` of each application; where it has no admin, nothing asks for them."""

from umbel.contrib.django.admin import results, schedules

__all__ = ["results", "schedules"]

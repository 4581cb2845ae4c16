"""A router class, as in Celery 3's manual."""

from .celeryconfig import NAME


class Router:
    def route_for_task(self, task, args=None, kwargs=None, **_):
        if task == "shop.tasks.reports.publish":
            return {"queue": f"{NAME}.news", "routing_key": f"news.{(kwargs or {}).get('topic', 'other')}"}
        return None

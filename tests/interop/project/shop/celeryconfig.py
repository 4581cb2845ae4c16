"""Settings, with the names of Celery 3."""

import os
from datetime import timedelta

from kombu import Exchange, Queue

NAME = os.environ["SHOP_NAME"]

BROKER_URL = os.environ["SHOP_BROKER"]
CELERY_RESULT_BACKEND = os.environ["SHOP_BACKEND"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json", "upside-down"]
CELERY_TASK_RESULT_EXPIRES = timedelta(minutes=10)
CELERY_TIMEZONE = "Europe/Berlin"
CELERY_ENABLE_UTC = True
CELERY_TRACK_STARTED = True
CELERY_SEND_EVENTS = True
CELERY_IMPORTS = ("shop.tasks.stock",)
CELERY_DEFAULT_QUEUE = NAME
CELERY_QUEUES = (
    Queue(NAME, Exchange(NAME), routing_key=NAME),
    Queue(f"{NAME}.mail", Exchange(f"{NAME}.mail"), routing_key="mail"),
    Queue(f"{NAME}.news", Exchange(f"{NAME}.topics", type="topic"), routing_key="news.#"),
)
CELERY_DEFAULT_EXCHANGE = NAME
CELERY_DEFAULT_ROUTING_KEY = NAME
CELERY_ROUTES = (
    "shop.routing.Router",
    {"shop.tasks.orders.send_mail": {"queue": f"{NAME}.mail"}, "mail.*": {"queue": f"{NAME}.mail"}},
)
CELERY_ANNOTATIONS = {"shop.tasks.stock.annotated": {"label": "from the annotation"}}
CELERYD_CONCURRENCY = 1
CELERYD_PREFETCH_MULTIPLIER = 1
CELERYD_MAX_TASKS_PER_CHILD = 500
CELERYD_HIJACK_ROOT_LOGGER = False
CELERYBEAT_SCHEDULE = {
    "every-second": {"task": "shop.tasks.reports.tick", "schedule": timedelta(seconds=1), "args": ("beat",), "options": {"expires": 30}},
    "never": {"task": "shop.tasks.reports.tick", "schedule": timedelta(days=365), "kwargs": {"source": "never"}},
}

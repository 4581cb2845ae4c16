"""Settings. What follows from the environment is for the tests; a project has it in place."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

HOME = Path(os.environ.get("SHOP_HOME") or Path(__file__).resolve().parent.parent)
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for the example only")
DEBUG = os.environ.get("SHOP_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "umbel.contrib.django",  # this line is all that Umbel needs
    "orders",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HOME / "db.sqlite3", "OPTIONS": {"timeout": 20}}}
if os.environ.get("SHOP_DATABASE"):
    address = urlsplit(os.environ["SHOP_DATABASE"])
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path.strip("/"),
        "USER": unquote(address.username or ""),
        "PASSWORD": unquote(address.password or ""),
        "HOST": address.hostname or "",
        "PORT": address.port or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
if os.environ.get("SHOP_BROKER"):  # else the database is the broker
    UMBEL_BROKER_URL = os.environ["SHOP_BROKER"]

# A call belongs to the transaction that makes it.
UMBEL_OUTBOX = os.environ.get("SHOP_OUTBOX", "1") == "1"
UMBEL_BEAT_SCHEDULE = {"count-orders": {"task": "orders.tasks.count_orders", "schedule": 3600.0}}

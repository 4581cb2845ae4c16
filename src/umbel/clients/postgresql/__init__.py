"""Connections to PostgreSQL by libpq (psycopg), blocking and on the event loop, and the tables and functions that Umbel has there."""

from umbel.errors import ImproperlyConfigured

try:
    import psycopg as _  # noqa: F401 - whether it works
except ModuleNotFoundError:
    raise
except ImportError as error:  # it is there, and libpq is not
    raise ImproperlyConfigured(f'psycopg has no libpq to work with: pip install "psycopg[binary]" ({error})') from None

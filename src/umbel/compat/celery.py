"""``import umbel.compat.celery``, before anything imports ``celery``: from then on, ``celery`` is Umbel, here and in children of this process.

So is ``kombu``, and so is ``billiard``, where the real ones are not installed.
"""

from __future__ import annotations

from umbel.compat.alias.finder import install

install()

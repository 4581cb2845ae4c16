"""Finds ``kombu`` and ``billiard``, where they are not installed, before anything has imported ``celery``. Python loads it at its start; it loads Umbel when it must."""

import sys

_NAMES = {"kombu", "billiard"}


class _Finder:
    """Asked when no other finder knows a module."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in _NAMES:
            return None
        from umbel.compat.alias import finder

        finder.install()
        return finder.spec_of(name)


sys.meta_path.append(_Finder)

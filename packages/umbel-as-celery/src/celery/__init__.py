"""Celery, which is Umbel: what is imported under this name is made by `umbel.compat`."""

import importlib
import sys

from umbel.compat.alias.finder import install

# This module makes room: the finder that is installed here is asked before the one that has found this file.
del sys.modules[__name__]
install()
importlib.import_module(__name__)

"""Umbel in a Flask program: ``from umbel.contrib.flask import FlaskUmbel``."""

from umbel.contrib.flask.app import FlaskTask, FlaskUmbel

__all__ = ["FlaskTask", "FlaskUmbel"]

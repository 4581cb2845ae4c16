"""Steps of the worker, an option of its command, and a command of remote control."""

from celery import bootsteps
from celery.worker.control import control_command, inspect_command

from . import journal


class Greeter(bootsteps.StartStopStep):
    """Says when the worker starts and stops."""

    requires = {"celery.worker.components:Pool"}

    def __init__(self, parent, **options):
        super().__init__(parent, **options)
        journal.write("step made")

    def start(self, parent):
        journal.write("step started")

    def stop(self, parent):
        journal.write("step stopped")


@inspect_command(args=[("word", str)])
def shout(state, word="nothing"):
    """Say a word loudly."""
    return {"ok": word.upper(), "node": state.hostname}


@control_command(args=[("topic", str)], signature="[TOPIC]")
def note(state, topic="none"):
    """Write a topic down."""
    journal.write("noted", topic=topic)
    return {"ok": "noted"}

"""Base classes of tasks."""

from celery import Task

from . import journal


class Journaled(Task):
    """Writes down how each of its runs ended."""

    abstract = True
    label = "none"

    def before_start(self, task_id, args, kwargs):
        journal.write("before_start", id=task_id)

    def on_success(self, retval, task_id, args, kwargs):
        journal.write("on_success", id=task_id, retval=retval)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        journal.write("on_failure", id=task_id, exc=type(exc).__name__, traceback=str(einfo).splitlines()[0])

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        journal.write("on_retry", id=task_id, exc=type(exc).__name__)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        journal.write("after_return", id=task_id, status=status)


class Connected(Journaled):
    """Keeps something for as long as its process lives."""

    abstract = True
    _connection = None

    @property
    def connection(self):
        if self._connection is None:
            self._connection = object()
            journal.write("connected", task=self.name)
        return self._connection

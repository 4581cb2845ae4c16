"""What canvases are written with: the primitives of a library, and its tasks with the name of the run."""

from __future__ import annotations


class Kit:
    """Makes the signatures of one run.

    Args:
        library: ``celery`` or ``umbel``.
        app: with the tasks of `interop.canvases.tasks`.
        run: the name under which the tasks write what they were called with.
    """

    def __init__(self, library, app, run):
        self.library = library
        self.app = app
        self.run = run
        self.chain = library.chain
        self.group = library.group
        self.chord = library.chord

    def __getattr__(self, name):
        """A task by its name: ``k.f("a", 1)`` is its signature with the label ``a``."""
        if name.startswith("_") or name not in self.app.tasks:
            raise AttributeError(name)

        def make(label=None, *args, immutable=False, **kwargs):
            named = {} if label is None else {"label": label}
            return self.app.tasks[name].signature(args, {**named, "run": self.run, **kwargs}, immutable=immutable)

        return make

    def plain(self, name, *args, **kwargs):
        """The signature of a task that does not write."""
        return self.app.tasks[name].s(*args, **kwargs)

    @property
    def stamping_visitor(self):
        """The base class of visitors."""
        from importlib import import_module

        return import_module(f"{self.library.__name__}.canvas{'' if self.library.__name__ == 'celery' else '.stamping'}").StampingVisitor

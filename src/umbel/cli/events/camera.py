"""``umbel events --camera``: snapshots of the state of the cluster, for code of the app's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from umbel.app.config.sources import import_object
from umbel.cli.loading import LoadedApp
from umbel.cli.options import Misuse
from umbel.cli.output import Output, wants_color
from umbel.cli.process.detaching import detach, is_detached, report_ready
from umbel.cli.process.duties import become, dump_stacks_on_usr1, file_name
from umbel.cli.process.options import hold_pidfile
from umbel.cli.process.stop_signals import stop_signals
from umbel.runtime.logs import LogOptions, configure

#: The name of this process, in names of files.
_NODE = "events"


class _Stop:
    """Ends a receiver, for any stop signal.

    Args:
        receiver: of the events.
    """

    def __init__(self, receiver: Any) -> None:
        self._receiver = receiver

    def interrupt(self) -> None:
        """Handle any of the signals."""
        self._receiver.should_stop = True

    quit = terminate = hang_up = interrupt


def run(loaded: LoadedApp, camera: str, given: Mapping[str, Any], output: Output) -> None:
    """Take snapshots until told to stop; the last one is taken then.

    Args:
        loaded: the app.
        camera: where its class is: ``module:Class`` or ``module.Class``.
        given: the options of the command.
        output: of the command line.

    Raises:
        Misuse: there is no such class, or it cannot be made.
        OperationalError: the broker cannot be reached at the beginning.
    """
    make = find(camera)
    state = loaded.app.events.State()
    polaroid = _made(make, camera, state, {"app": loaded.app, "freq": given["frequency"], "maxrate": given["maxrate"], "timer": None})
    if given["detach"] and not is_detached():
        output.remark(detach())
        return
    become(given["uid"], given["gid"], given["umask"])
    _configure_logging(loaded, given)
    dump_stacks_on_usr1()
    receiver = loaded.app.events.Receiver(handlers={"*": state.event})
    output.remark(f"Snapshots by {camera} every {given['frequency']:g} s of {loaded.app.broker.public_url()}. Ctrl-C ends.")
    with hold_pidfile(given["pid_path"], _NODE), stop_signals(_Stop(receiver)):
        polaroid.install()
        report_ready()
        try:
            receiver.capture()
        finally:
            polaroid.cancel()


def find(camera: str) -> Any:
    """Import the class of a camera.

    Args:
        camera: ``module:Class`` or ``module.Class``.

    Raises:
        Misuse: there is none.
    """
    try:
        found = import_object(camera)
    except (ImportError, AttributeError) as error:
        raise Misuse(f"--camera {camera}: it cannot be imported: {error}. Name a class, e.g. monitoring.cameras:Camera.") from error
    if not callable(found):
        raise Misuse(f"--camera {camera}: it is no class, but {type(found).__name__}. Name one, e.g. monitoring.cameras:Camera.")
    return found


def _made(make: Any, camera: str, state: Any, options: Mapping[str, Any]) -> Any:
    try:
        made = make(state, **options)
    except (TypeError, ValueError) as error:
        raise Misuse(f"--camera {camera}: {error}") from error
    if not hasattr(made, "install") or not hasattr(made, "cancel"):
        raise Misuse(f"--camera {camera}: it has no install() and cancel(). Derive it from umbel.events.snapshot.Polaroid.")
    return made


def _configure_logging(loaded: LoadedApp, given: Mapping[str, Any]) -> None:
    conf = loaded.app.conf
    file = file_name(given["logfile"], _NODE) if given["logfile"] else None
    options = LogOptions(
        level=given["loglevel"],
        file=file,
        format=conf.worker_log_format,
        datefmt=conf.worker_log_datefmt,
        color=wants_color(sys.stderr),
        hijack=conf.worker_hijack_root_logger,
    )
    try:
        configure(options)
    except OSError as error:
        raise click.ClickException(f"Cannot write the log file {file}: {error.strerror}.") from error

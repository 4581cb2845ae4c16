"""``umbel dashboard``: the fleet in a browser."""

from __future__ import annotations

import getpass
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from umbel.cli.loading import load
from umbel.cli.options import Command, GlobalOptions, Misuse, WholeNumber, names_list
from umbel.cli.output import Output
from umbel.errors import ImproperlyConfigured
from umbel.schedules import parsing

#: Where it listens unless told otherwise. The port is Flower's.
ADDRESS: Final = "127.0.0.1"
PORT: Final = 5555
#: The variable that may name people, ``name:role:password``, separated by spaces.
PEOPLE: Final = "UMBEL_DASHBOARD_USERS"
_HOW: Final = (
    f"Give people names and passwords (--users FILE, or {PEOPLE}), or have a reverse proxy name them (--proxy-header NAME); "
    "--insecure if the network is to be trusted."
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
        click.option("--host", "--address", default=ADDRESS, show_default=True, metavar="ADDRESS", help="Listen here."),
        click.option(
            "-p", "--port", type=WholeNumber(0, 65_535), default=PORT, show_default=True, metavar="PORT", help="And at this port."
        ),
        click.option("--root", default="", metavar="PATH", help="The path below which a reverse proxy shows it, e.g. /umbel."),
        click.option(
            "--allow-host", "hosts", multiple=True, callback=names_list, metavar="NAMES", help="Names by which it may be reached."
        ),
        click.option("--users", metavar="FILE", help=f"Who may log in: lines of name:role:password. Also {PEOPLE}."),
        click.option("--basic", is_flag=True, help="Ask for names by HTTP Basic, not by a page."),
        click.option("--proxy-header", metavar="NAME", help="The header in which a reverse proxy names the user."),
        click.option(
            "--proxy-role",
            type=click.Choice(["viewer", "operator", "admin"]),
            default="viewer",
            show_default=True,
            help="The role of those whom --users does not name.",
        ),
        click.option(
            "--trusted-proxy",
            "proxies",
            multiple=True,
            callback=names_list,
            metavar="ADDRESSES",
            help="Proxies to believe. Default: this machine.",
        ),
        click.option("--insecure", is_flag=True, help="Listen beyond this machine, though nobody has to log in."),
        click.option("--open-metrics", is_flag=True, help="Let anybody read /metrics."),
        click.option("--hash-password", is_flag=True, help="Ask for a password and print it as --users takes it; do nothing else."),
        click.option(
            "--history",
            default="umbel-dashboard.db",
            show_default=True,
            metavar="FILE",
            help="Keep the history in this file; none: in no file.",
        ),
        click.option("--keep", default="30d", show_default=True, metavar="TIME", help="Keep runs of tasks so long."),
        click.option("--keep-runs", type=WholeNumber(min=1), default=1_000_000, show_default=True, metavar="N", help="And so many."),
        click.option("--environment", default="", metavar="NAME", help="Shown at the top; what begins with prod in red."),
        click.option("--hide", multiple=True, callback=names_list, metavar="PATTERNS", help="Hide keyword arguments of these names, too."),
        click.option("--no-enable-events", is_flag=True, help="Do not ask workers to tell of their tasks."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=(
        ("umbel -A tasks dashboard", "at http://127.0.0.1:5555, for this machine"),
        ("umbel -A tasks dashboard --host 0.0.0.0 --users people.txt", "for others, who log in"),
        ("umbel dashboard --hash-password", "a password for people.txt"),
    ),
    sections={
        "Where": ("host", "port", "root", "hosts"),
        "Who": ("users", "basic", "proxy_header", "proxy_role", "proxies", "insecure", "open_metrics", "hash_password"),
        "History": ("history", "keep", "keep_runs"),
        "Look": ("environment", "hide"),
    },
)
@_options
@click.pass_context
def command(context: click.Context, /, **given: Any) -> None:
    """Show workers, tasks, queues and schedules in a browser, live, and act on them.

    It listens on this machine only, unless people have to log in. See docs/guide/dashboard.md.
    """
    output = Output.of(context)
    if given["hash_password"]:
        _print_password(output)
        return
    try:
        import uvicorn

        from umbel.dashboard import application
        from umbel.dashboard.web.below import Below
    except ImportError as error:
        raise Misuse(f"The dashboard needs {error.name}, which is not installed: pip install 'umbel[dashboard]'") from error
    try:
        options = options_of(given)
    except ImproperlyConfigured as error:
        raise Misuse(str(error)) from error
    loaded = load(GlobalOptions.of(context))
    output.remark(loaded.nameless())
    if loaded.path is not None:
        loaded.import_modules()
        loaded.app.finalize()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    bound = _bound(given["host"], given["port"])
    made = application.make(loaded.app, options, loaded=loaded)
    config = uvicorn.Config(
        Below(made, options.root),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        lifespan="on",
    )

    with bound:
        # Bound first, so that the line which tells the address is true, also for port 0; and listening, for who reads it may come at once.
        bound.listen(config.backlog)
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        where = loaded.app.broker.public_url()
        output.line(f"{output.paint('umbel dashboard', bold=True)} http://{shown}:{port}{options.root}/ · {where}")
        output.remark("Ctrl-C ends.")
        sys.stdout.flush()
        server = _server(config, made.state.desk.monitor.changes.close)
        try:
            server.run([bound])
        except KeyboardInterrupt:  # it has ended as it should, and says by which signal
            output.line()
    if not server.started:
        context.exit(1)


def _server(config: Any, end_streams: Callable[[], None]) -> Any:
    """Make the server. It ends the streams of open pages first, which would not end by themselves."""
    import uvicorn

    class Server(uvicorn.Server):
        """Ends streams."""

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            end_streams()
            await super().shutdown(sockets)

    return Server(config)


def _bound(host: str, port: int) -> socket.socket:
    """Make the socket of an address.

    Raises:
        click.ClickException: that is not possible here: the port is taken, or there is no such address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(found[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(found[4])
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose others: --host, --port."
        ) from error
    return bound


def options_of(given: Mapping[str, Any]) -> Any:
    """Make the dashboard's options of those of the command line.

    Args:
        given: by name.

    Raises:
        ImproperlyConfigured: one of them cannot be read, or anybody could act from elsewhere.
    """
    from umbel.dashboard.options import DashboardOptions
    from umbel.dashboard.security.checks import is_loopback
    from umbel.dashboard.security.people import Role

    people = people_of(given["users"])
    root = given["root"].rstrip("/")
    if root and not root.startswith("/"):
        raise ImproperlyConfigured(f"--root {root}: expected a path, e.g. /umbel")
    if given["basic"] and not people:
        raise ImproperlyConfigured(f"--basic: nobody could log in. Name people with --users FILE or {PEOPLE}")
    usual = DashboardOptions()
    options = DashboardOptions(
        history=None if given["history"] == "none" else given["history"],
        keep=parsing.duration(given["keep"]),
        keep_runs=given["keep_runs"],
        enable_events=not given["no_enable_events"],
        environment=given["environment"],
        people=people,
        proxy_header=given["proxy_header"],
        proxy_role=Role.named(given["proxy_role"]),
        trusted_proxies=frozenset(given["proxies"]) or usual.trusted_proxies,
        basic=given["basic"],
        hosts=frozenset({*given["hosts"], given["host"]}) if given["hosts"] else frozenset(),
        open_metrics=given["open_metrics"],
        hide=(*usual.hide, *given["hide"]),
        root=root,
    )
    if not is_loopback(given["host"]) and not options.asks_for_names and not given["insecure"]:
        raise ImproperlyConfigured(f"--host {given['host']}: whoever reaches this address could do everything. {_HOW}")
    if given["insecure"] and not options.hosts and not options.asks_for_names and not is_loopback(given["host"]):
        raise ImproperlyConfigured("--insecure: name the hosts by which it will be reached, e.g. --allow-host queue.lan")
    return options


def people_of(file: str | None) -> dict[str, Any]:
    """Read who may log in, from a file and from the environment.

    Args:
        file: its name, if there is one.

    Raises:
        ImproperlyConfigured: it cannot be read.
    """
    from umbel.dashboard.security import people

    found: dict[str, Any] = {}
    if file is not None:
        try:
            found = people.read(Path(file).read_text(encoding="utf-8").splitlines(), file)
        except OSError as error:
            raise ImproperlyConfigured(f"--users {file}: it cannot be read: {error.strerror}") from error
        if not found:
            raise ImproperlyConfigured(f"--users {file}: it names nobody. Write name:role:password, one a line")
    return {**found, **people.read(os.environ.get(PEOPLE, "").split(), PEOPLE)}


def _print_password(output: Output) -> None:
    from umbel.dashboard.security.people import hashed

    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise Misuse("It is empty.")
    output.line(hashed(password))

"""``umbel multi``: start, stop and look after several workers on this machine."""

from __future__ import annotations

import shlex
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

import click

from umbel._version import __version__
from umbel.cli.multi import processes
from umbel.cli.multi.nodes import CommandLine, Node, expand, make_nodes, parse
from umbel.cli.options import EX_FAILURE, Command, GlobalOptions, Misuse, did_you_mean
from umbel.cli.output import Output
from umbel.cli.process.detaching import NOT_READY


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the command."""

    line: CommandLine
    nodes: list[Node]
    output: Output
    verbose: bool
    executable: str | None

    def head(self, text: str) -> None:
        if not self.output.quiet:
            self.output.line(f"> {text}")

    def tell(self, node: Node, word: str, *, good: bool = True) -> None:
        if not self.output.quiet or not good:
            self.output.line(f"  > {node.name}: {self.output.paint(word, fg='green' if good else 'red')}")

    def start(self) -> int:
        self.head("Starting workers…")
        return max([self._start(node) for node in self.nodes])

    def _start(self, node: Node) -> int:
        if self.verbose:
            self.output.line(shlex.join(processes.command(node, self.executable)))
        code, said = processes.start(node, self.executable)
        is_late = not code and NOT_READY in said
        self.tell(node, "FAILED" if code else "started, and not ready yet" if is_late else "OK", good=not code and not is_late)
        if said and (code or is_late or self.verbose):
            self.output.line("\n".join(f"    {line}" for line in said.splitlines()))
        return EX_FAILURE if code else 0

    def stop(self) -> int:
        return self._signal(self.nodes)[1]

    def stopwait(self) -> int:
        told, code = self._signal(self.nodes)
        self._wait(told)
        return code

    def restart(self) -> int:
        told, code = self._signal(self.nodes)
        self._wait(told)
        return code or self.start()

    def kill(self) -> int:
        killed = replace(self, line=replace(self.line, signal="KILL"))
        return killed.stopwait()

    def _signal(self, nodes: list[Node]) -> tuple[list[tuple[Node, int]], int]:
        number = processes.signal_number(self.line.signal or "TERM") or signal.SIGTERM
        self.head("Stopping workers…")
        told, code = [], 0
        for node in nodes:
            pid = processes.running(node)
            if pid is None:
                self.tell(node, "DOWN")
                continue
            failure = processes.send(pid, number)
            self.tell(node, failure or f"{number.name} → {pid}", good=failure is None)
            if failure is None:
                told.append((node, pid))
            else:
                code = EX_FAILURE
        return told, code

    def _wait(self, told: list[tuple[Node, int]]) -> None:
        if told:
            self.head(f"Waiting for {len(told)} of them…")
        for node in processes.wait(told):
            self.tell(node, "stopped")

    def show(self) -> int:
        for node in self.nodes:
            self.output.line(shlex.join(processes.command(node, self.executable)))
        return 0

    def names(self) -> int:
        for node in self.nodes:
            self.output.line(node.name)
        return 0


_COMMANDS: dict[str, Callable[[_Run], int]] = {
    "start": _Run.start,
    "stop": _Run.stop,
    "stopwait": _Run.stopwait,
    "stop_verify": _Run.stopwait,
    "restart": _Run.restart,
    "kill": _Run.kill,
    "show": _Run.show,
    "names": _Run.names,
}
#: Those that have a word of their own before the workers.
_WITH_WORD = ("expand", "get")
_PLAIN = ("show", "names", *_WITH_WORD)


def _takes_value(option: str) -> bool | None:
    from umbel.cli.commands.worker import command as worker

    for parameter in worker.params:
        if isinstance(parameter, click.Option) and option in parameter.opts:
            return not parameter.is_flag
    return None


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    examples=(
        ("umbel multi start 3 -A proj -c 3 -c:1 10", "three workers; the first one has 10 slots"),
        ("umbel multi start fast slow -A proj -Q:fast quick", "by name"),
        ("umbel multi restart 3 -A proj --pidfile=/run/proj/%n.pid", "stop, wait, start"),
        ("umbel multi stopwait 3 -9", "kill them"),
    ),
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND WORKERS... [OPTIONS OF WORKERS]")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> None:
    """Start, stop and look after several workers on this machine.

    Commands: start, stop, stopwait, restart, kill, show (command lines), names, get NAME (one command line), expand TEMPLATE.

    Options are those of umbel worker; -c:1 10, -Q:2-3 fast and -c:NAME 4 are for some of the workers. Also: --range-prefix, --suffix,
    --executable, --nosplash, --quiet, --verbose, --no-color. stop, stopwait and restart take a signal: -TERM, -9.
    """
    if not words or words[0] in ("-h", "--help", "help"):
        click.echo(context.get_help())
        return
    if words[0].startswith("-"):  # multi's own flags may stand before the command
        at = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
        words = (*words[at : at + 1], *words[:at], *words[at + 1 :])
    name, *rest = words
    if name not in _COMMANDS and name not in _WITH_WORD:
        known = [*_COMMANDS, *_WITH_WORD]
        hint = did_you_mean(name, known) or f"There are: {', '.join(known)}."
        raise Misuse(f"There is no command multi {name!r}. {hint}")
    word = rest.pop(0) if name in _WITH_WORD and rest else None
    try:
        line = parse(rest, _takes_value, lambda text: processes.signal_number(text) is not None)
        line = replace(line, extra=(*_shared(GlobalOptions.of(context)), *line.extra))
        nodes = make_nodes(line, socket.gethostname())
    except ValueError as error:
        raise Misuse(str(error)) from None
    context.exit(_do(context, name, word, line, nodes))


def _shared(options: GlobalOptions) -> list[str]:
    """Make words for the workers of what stood before the word *multi*."""
    given = {"--app": options.app, "--broker": options.broker, "--result-backend": options.result_backend}
    given |= {"--config": options.config, "--workdir": options.workdir}
    return [f"{name}={value}" for name, value in given.items() if value]


def _do(context: click.Context, name: str, word: str | None, line: CommandLine, nodes: list[Node]) -> int:
    output = Output.of(context)
    color = output.color and "--no-color" not in line.own
    output = replace(output, color=color, quiet=output.quiet or bool({"--quiet", "-q"} & set(line.own)))
    run = _Run(line, nodes, output, "--verbose" in line.own, line.own.get("--executable"))
    if name not in _PLAIN and "--nosplash" not in line.own and not output.quiet:
        output.line(f"umbel multi {__version__}")
    if name == "expand":
        for node in nodes:
            output.line(expand(word or "", node.name))
        return 0
    if name == "get":
        found = [node for node in nodes if word in (node.name, node.name.partition("@")[0])]
        if not found:
            raise Misuse(f"There is no worker {word!r}. There are: {', '.join(node.name for node in nodes)}.")
        return replace(run, nodes=found).show()
    return _COMMANDS[name](run)

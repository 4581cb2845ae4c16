"""From ``manage.py`` to the command line of Umbel: all its options are there, and the app need not be named."""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

from django.core.management.base import BaseCommand, CommandError, handle_default_options

from umbel.app.proxies import get_current_app

#: Options of every command of Django's that have a value; they stand before ours, or after.
_DJANGOS: Final = ("--settings", "--pythonpath")
#: Words for ``--reload`` that Django's users know.
_RELOAD: Final = ("--autoreload",)


class UmbelCommand(BaseCommand):
    """A command that hands its words to ``umbel``."""

    #: Words that stand before those of the user.
    words: tuple[str, ...] = ()

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Run, as ``manage.py`` does, and end the process.

        Args:
            argv: the words of the process.
        """
        options, rest, checked = _split(argv[2:])
        handle_default_options(self.create_parser(argv[0], argv[1]).parse_args(options))
        if checked and self.words and not {"--help", "-h"} & {*rest}:
            self.check()
        sys.exit(self.run_umbel(rest))

    def add_arguments(self, parser: Any) -> None:
        """Take the words of ``call_command(name, *words)``.

        Args:
            parser: of the command.
        """
        parser.add_argument("words", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, as ``call_command`` does.

        Args:
            args: ignored; Django parses the words.
            options: ``words``: of the command.

        Raises:
            CommandError: it did not work.
        """
        code = self.run_umbel([str(word) for word in (*args, *options["words"])])
        if code:
            raise CommandError(f"umbel ended with exit code {code}", returncode=code)

    def run_umbel(self, rest: list[str]) -> int:
        """Run ``umbel``; returns the exit code.

        Args:
            rest: the words of the user.
        """
        from umbel.cli.main import run

        app = get_current_app()
        path = app.import_path
        return run([*(["-A", path] if path else []), *self.words, *rest], app)


def _split(words: list[str]) -> tuple[list[str], list[str], bool]:
    """Tell the options that are Django's from the rest; and whether the project is to be checked."""
    options: list[str] = []
    rest: list[str] = []
    checked, source = True, iter(words)
    for word in source:
        name = word.partition("=")[0]
        if word == "--":
            rest += [word, *source]
        elif name in _DJANGOS:
            options += [word] if "=" in word else [word, next(source, "")]
        elif word == "--skip-checks":
            checked = False
        else:
            rest.append("--reload" if word in _RELOAD else word)
    return options, rest, checked

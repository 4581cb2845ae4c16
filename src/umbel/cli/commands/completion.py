"""``umbel completion``: teach the shell our names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from umbel.cli.options import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    r"""Print the script that makes SHELL complete commands, options, and the task and queue names of the app.

    \b
      bash    eval "$(umbel completion bash)"      in ~/.bashrc
      zsh     eval "$(umbel completion zsh)"       in ~/.zshrc
      fish    umbel completion fish | source      in ~/.config/fish/config.fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    root = context.find_root()
    complete = completion(root.command, {}, "umbel", "_UMBEL_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())

"""``umbel completion``: print the script by which a shell completes names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from umbel.cli.options import Command


@click.command(
    cls=Command,
    examples=(
        ('eval "$(umbel completion bash)"', "in ~/.bashrc"),
        ('eval "$(umbel completion zsh)"', "in ~/.zshrc, after compinit"),
        ("umbel completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options, tasks and queues of the app, and workers, queues and tasks that are there."""
    completion = get_completion_class(shell)
    assert completion is not None
    root = context.find_root()
    complete = completion(root.command, {}, "umbel", "_UMBEL_COMPLETE")
    # A line is "kind,word": what comes after the first comma is the word, commas and all (-Q fast,slow).
    template = complete.source_template.replace('string split ","', 'string split --max 1 ","')
    click.echo(template % complete.source_vars())

"""`deluge-sync completion`: the script that makes a shell complete commands, options and their values."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

_PROGRAM = "deluge-sync"
_VARIABLE = "_DELUGE_SYNC_COMPLETE"  # click makes it of the program's name


@click.command("completion", short_help="print the script that completes commands in a shell")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a SHELL.

    \b
    Try it in this shell, or put the line into its start-up file:
      bash  eval "$(deluge-sync completion bash)"          in ~/.bashrc (bash 4.4 or newer)
      zsh   eval "$(deluge-sync completion zsh)"           in ~/.zshrc
      fish  deluge-sync completion fish | source           in ~/.config/fish/config.fish
    """
    root: Any = click.get_current_context().find_root().command
    maker = get_completion_class(shell)
    assert maker is not None  # click knows all that the argument takes
    click.echo(maker(root, {}, _PROGRAM, _VARIABLE).source())

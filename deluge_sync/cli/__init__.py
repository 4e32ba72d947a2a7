"""The command line: `deluge-sync` and `python -m deluge_sync`.

Each command is a module of this package that is imported when it is called, so that `--help` is instant and `run` does
not load the embedded provider. The commands know their own options; here is only how any of them ends.
"""

from __future__ import annotations

import importlib
import logging
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from deluge_sync.cli.exits import Exit, Terminated, drop_standard_output, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]

_COMMANDS = {
    "ask": "answer one prompt, shown as it arrives",
    "batch": "make batch jobs, follow them, and write down their answers",
    "completion": "print the script that completes commands in a shell",
    "demo": "answer 200 questions through the embedded provider, to see it work",
    "embed": "turn every text of a file into a vector",
    "estimate": "tell the tokens and the cost of a file of prompts before anything is sent",
    "models": "list the models, with prices and what they can do",
    "report": "make a page of plots out of the results of run",
    "run": "answer every prompt of a file",
    "serve": "run the embedded provider, to try clients against it",
}


class _Commands(click.Group):
    """Finds a command in the module of its name, and turns Ctrl-C, SIGTERM and a closed pipe into exit statuses."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"deluge_sync.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):  # written here, because click would import every module for its help
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _sigterm_raises():
                return super().invoke(ctx)
        except Terminated:
            ctx.exit(Exit.TERMINATED)
        except KeyboardInterrupt:
            say("interrupted")
            ctx.exit(Exit.INTERRUPTED)
        except BrokenPipeError:
            drop_standard_output()
            ctx.exit(Exit.BROKEN_PIPE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deluge-sync", prog_name="deluge-sync")
def main() -> None:
    """Answer thousands to millions of prompts through hosted language models.

    \b
    Begin with:
      deluge-sync demo
      deluge-sync ask "What is the capital of France?"
      deluge-sync run prompts.jsonl -o results.jsonl --model gpt-4.1-mini
      deluge-sync report results.jsonl

    Results go to standard output or to the file that is named, all else to standard error. --quiet leaves only errors
    of that; --json writes what a command found as JSON, for machines.

    \b
    Exit status:
      0    every prompt was answered; what was looked for was found
      1    some prompts failed or are left; nothing was found
      2    the command, the prompts, the model or the key cannot be used; nothing was sent
      3    the results could not be written
      130  interrupted with Ctrl-C (143: with SIGTERM)
      141  whoever read standard output went away
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")  # on standard error


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """While inside, SIGTERM raises `Terminated` in the main thread; in other threads signals cannot be set."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_terminated(_signal: int, _frame: object) -> NoReturn:
    raise Terminated

"""How a command ends and how it speaks: exit statuses, the errors that are one line, and text on standard error.

Every command uses it; what --quiet and --json change in how it speaks is a `Voice`. It formats no tables (`summary`)
and knows no file format (`prompts`, `journal`).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, Any, TextIO

import click

__all__ = ["BadInputError", "Exit", "ResultsError", "Terminated", "Voice", "drop_standard_output", "one_line", "say"]


class Exit(IntEnum):
    """Exit statuses of every command."""

    OK = 0
    SOME_FAILED = 1
    BAD_INPUT = 2
    CANNOT_WRITE = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class _OneLineError(click.ClickException):
    """Shown as `error: ...` on one line of standard error, without the usage that click would add."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002  (click's signature)
        say(f"error: {one_line(self.message)}")


class BadInputError(_OneLineError):
    """What the user gave cannot be used: a prompt file, a results file, a model, a key."""

    exit_code = Exit.BAD_INPUT


class ResultsError(_OneLineError):
    """An answer could not be written (disk full); what was written before is intact."""

    exit_code = Exit.CANNOT_WRITE


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. It ends a command the way Ctrl-C does, with another exit status."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What a command says: results on standard output, notes about them on standard error, errors with `say`.

    is_quiet: no notes and no progress. is_json: results as one JSON document, for machines.
    """

    is_quiet: bool = False
    is_json: bool = False

    def note(self, text: str) -> None:
        """Tell something that the user may do without."""
        if not self.is_quiet:
            say(text)

    def document(self, value: Any) -> None:
        """Write a JSON document and its line end to standard output.

        For a terminal, and where UTF-8 cannot hold a text, it is ASCII: C1 controls would steer the terminal.
        """
        text = json.dumps(value, ensure_ascii=sys.stdout.isatty())
        click.echo(text if _is_encodable(text) else json.dumps(value))


def say(text: str) -> None:
    """Write one line to standard error. A reader that went away is no reason to stop: answers matter more."""
    try:
        click.echo(text, err=True)
    except OSError:
        _forget(sys.stderr)


def _is_encodable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def drop_standard_output() -> None:
    """Its reader went away: what is left for it goes nowhere."""
    _forget(sys.stdout)


def _forget(stream: TextIO) -> None:
    """Send what is left in its buffer nowhere, or Python would fail to write it at the end and exit with 120."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def one_line(text: str) -> str:
    """`text` without line ends and control characters, which a file or a provider may have put into it."""
    return "".join(char if char.isprintable() else " " for char in text).strip()

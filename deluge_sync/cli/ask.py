"""`deluge-sync ask`: one prompt, its answer shown as it arrives. `run` is for many."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deluge_sync.cli.connect import ClientOptions, open_client, read_environment
from deluge_sync.cli.exits import BadInputError, Exit, Voice, one_line, say
from deluge_sync.cli.live import LiveAnswer
from deluge_sync.cli.options import ANSWER, ATTEMPTS, CLIENT, MANNERS, SPENDING, voice_of, with_options
from deluge_sync.cli.pictures import is_address
from deluge_sync.cli.rows import answer_fields
from deluge_sync.cli.schema import Schema, read_schema
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, File, Image, Message
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deluge_sync.client import LLMClient

__all__ = ["command"]

_STDIN = "-"
_WITH_PROMPT = (
    click.option("--file", "files", multiple=True, type=click.Path(), metavar="FILE", help="Send FILE along; several."),
    click.option(
        "--image", "images", multiple=True, type=click.Path(), metavar="PATH|URL", help="Send an image along; several."
    ),
    click.option("--schema", type=click.Path(), metavar="FILE", help="JSON Schema that the answer has to fit."),
)


@click.command("ask", short_help="answer one prompt, shown as it arrives")
@click.argument("prompt", required=False)
@with_options(_WITH_PROMPT, CLIENT, ANSWER, ATTEMPTS, SPENDING, MANNERS)
def command(prompt: str | None, **options: Any) -> None:
    """Ask one PROMPT and show the answer as it arrives.

    What is piped in comes behind PROMPT, or is the prompt where there is none (or it is -). Files and images are read
    and sent: name only those that the provider may have.

    In a terminal escape sequences of the model are left out; a pipe or a file gets its text as it is. With --json the
    whole response comes at the end, with the fields that a row of run has. Ctrl-C ends it and keeps what was shown.

    \b
    Examples:
      deluge-sync ask "What is the capital of France?"
      git diff | deluge-sync ask "Write a commit message for this change." --max-tokens 200
      deluge-sync ask "What is in the picture?" --image photo.jpg -m gpt-4.1
      deluge-sync ask "List three cities." --schema cities.json | jq .
      deluge-sync ask - < prompt.txt
    """
    voice, wanted = voice_of(options), ClientOptions.taken_from(options)
    schema = None if options["schema"] is None else read_schema(options["schema"], voice)
    conversation = _conversation(prompt, options)
    call: dict[str, Any] = {} if schema is None else {"output_schema": schema.document}
    with open_client(wanted, read_environment(wanted.env_file)) as client:
        response = _answer(client, conversation, call, is_shown=not voice.is_json)
    click.get_current_context().exit(_tell(response, schema, voice))


# --- what goes in


def _conversation(prompt: str | None, options: dict[str, Any]) -> Conversation:
    message = Message.user(_text(prompt))
    try:
        for name in options["images"]:
            message.with_image(_readable(Image(name if is_address(name) else Path(name))))
        for name in options["files"]:
            message.with_file(_readable(File(name if is_address(name) else Path(name))))
    except ConfigError as error:
        raise BadInputError(str(error)) from error
    conversation = Conversation([message])
    return Conversation([Message.system(options["system"]), message]) if options["system"] else conversation


def _readable(media: Any) -> Any:
    """Told now, and not by an error of the provider: that it is there and of a kind that can be sent."""
    if media.has_content:
        _ = media.media_type
    return media


def _text(prompt: str | None) -> str:
    """The prompt and what was piped in."""
    given = None if prompt == _STDIN else prompt
    piped = _piped(is_asked_for=given is None)
    texts = [text for text in (given, piped) if text and text.strip()]
    if not texts:
        raise BadInputError("no prompt: give one, or pipe it in")
    return "\n\n".join(texts)


def _piped(*, is_asked_for: bool) -> str | None:
    if sys.stdin is None or (sys.stdin.isatty() and not is_asked_for):
        return None
    if sys.stdin.isatty():
        say("no prompt was given: type it, and end it with Ctrl-D")
    try:
        return sys.stdin.buffer.read().decode("utf-8").rstrip("\n")
    except UnicodeDecodeError as error:
        raise BadInputError(f"stdin: not UTF-8: byte 0x{error.object[error.start]:02x}; send it with --file") from error


# --- what comes out


def _answer(client: LLMClient, prompt: Conversation, call: dict[str, Any], *, is_shown: bool) -> APIResponse:
    """The response, once it is complete; its text is written to standard output while it arrives."""
    shown = LiveAnswer(sys.stdout) if is_shown else None
    try:
        with closing(client.stream_chat_sync(prompt, **call)) as items:
            for item in items:
                if isinstance(item, str) and shown is not None:
                    shown.write(item)
                elif isinstance(item, APIResponse):
                    return item
    except ConfigError as error:
        raise BadInputError(str(error)) from error
    finally:
        if shown is not None:
            shown.end()
    raise AssertionError("a stream ends with its response")


def _tell(response: APIResponse, schema: Schema | None, voice: Voice) -> Exit:
    fields = answer_fields(response, schema)
    if voice.is_json:
        voice.document({**fields, **_more(response)})
    for note in _notes(response):
        voice.note(note)
    if fields["error"] is None:
        return Exit.OK
    say(f"error: {one_line(fields['error']['message'] or '')} ({fields['error']['kind']})")
    return Exit.SOME_FAILED


def _more(response: APIResponse) -> dict[str, Any]:
    return {"thinking": response.thinking} if response.thinking else {}


def _notes(response: APIResponse) -> Iterator[str]:
    if response.finish_reason == "length":
        yield "the answer was cut off at its token limit; --max-tokens N allows more"
    if not response.is_error and not response.text:
        yield "the model said nothing"

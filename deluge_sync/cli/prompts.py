"""Reads PROMPTS: JSON lines, CSV or plain text, one prompt at a time, twice.

The first pass (`PromptFile.survey`) looks at every line, counts and hashes, so that bad input is told before anything
is sent; the second (`PromptFile.read`) feeds the client. Neither holds more than one prompt. What cannot be read twice
(standard input, a FIFO) is copied to a temporary file first. A file must not be rewritten in place meanwhile; appending
to it, and replacing it by another, are harmless. `run` and `demo` call this; it sends and writes nothing.

What counts as a prompt:

- JSON lines (.jsonl, .ndjson, .json): an object with `prompt` (text) or `messages` (OpenAI form). `id` is the row's id;
  all other fields are carried into the results.
- CSV (.csv, comma, header line): the column `prompt`, with `id` and the other columns as above.
- Text (.txt): one prompt a line, as it stands.
- Any other name, and standard input: by content. A first line that opens with `{` or `[` means JSON lines, a header
  with a column named `prompt` means CSV, the rest is text.

An image or a file in `messages` is at an http(s) or data URL. A path on this machine is a bad line, unless local files
are allowed: whoever wrote the prompts would have your files sent to a provider. So for the images that a column names
(`pictures`).

Blank lines are no prompts. A prompt's index is its place among the file's prompts, from 0, bad ones included, so that
it stays the same whether bad lines are passed over or corrected. Ids may repeat; the index tells prompts apart.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NoReturn

from deluge_sync.cli.exits import BadInputError
from deluge_sync.cli.pictures import add_images, images_in
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["BadLine", "Format", "Prompt", "PromptFile", "Survey", "open_prompts"]

Format = Literal["jsonl", "csv", "text"]

_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".txt": "text",
}
_BOM = b"\xef\xbb\xbf"
_MAX_CELL_CHARS = 2**24  # an unclosed quote must not swallow the whole of a large file into one cell


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of the file. `line` is where it begins, from 1; `content` is a text or a list of OpenAI messages.

    `images` are paths and URLs that come behind the last user message.
    """

    index: int
    line: int
    id: Any
    content: str | list[Any]
    carried: Mapping[str, Any] = field(default_factory=dict)
    allow_local_files: bool = False
    images: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What a reader takes for the prompt: the text, or the texts of the messages with their roles."""
        if isinstance(self.content, str):
            return self.content
        messages = Conversation.from_openai_chat(self.content, allow_local_files=True)
        return "\n\n".join(f"{message.role}: {message.text}" for message in messages)

    def conversation(self, system: str | None = None) -> Conversation:
        """What is sent. `system` comes first, unless the row's messages bring a system message of their own.

        Raises:
            ConfigError: the messages are not in OpenAI form, or name a local file without `allow_local_files`.
        """
        if isinstance(self.content, str):
            conversation = Conversation.user(self.content)
        else:
            conversation = Conversation.from_openai_chat(self.content, allow_local_files=self.allow_local_files)
        if system is not None and not any(message.role == "system" for message in conversation):
            conversation.messages.insert(0, Message.system(system))
        add_images(conversation, self.images)
        return conversation


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that holds no usable prompt, and why. After a fatal one nothing further can be read."""

    line: int
    reason: str
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass found. `records` counts good and bad prompts; `digest` stands for content and format;
    `pictured` counts the good prompts that come with images."""

    records: int
    good: int
    digest: str
    pictured: int = 0


class PromptFile:
    """A seekable file of prompts; `name` is how messages call it. Not for two threads at once.

    With `allow_local_files` its messages may name images and files on this machine, which are then read and sent.
    `images` is the column or field that names images, `column` the one that holds the prompt; only the usual one may be
    `messages` instead.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        file_format: Format | None = None,
        *,
        allow_local_files: bool = False,
        images: str | None = None,
        column: str = "prompt",
    ) -> None:
        self.name = name
        self._images = images
        self._column = column
        self._file = file
        self._allow_local_files = allow_local_files
        self.format: Format = file_format or _guess_format(file, column)

    def survey(self, on_bad: Callable[[str], None]) -> Survey:
        """Read and check everything. Each bad line is given to `on_bad` as a message, which may raise to stop.

        Raises:
            BadInputError: a fatal bad line, whatever `on_bad` does.
        """
        digest = hashlib.sha256(self.format.encode() + b"\0")
        records = good = pictured = 0
        for found in self._parse(self._lines(digest.update)):
            records += 1
            if isinstance(found, Prompt):
                good += 1
                pictured += bool(found.images)
                continue
            message = f"{self.name}:{found.line}: {found.reason}"
            if found.is_fatal:
                raise BadInputError(message)
            on_bad(message)
        return Survey(records, good, digest.hexdigest(), pictured)

    def read(self, survey: Survey) -> Iterator[Prompt]:
        """The good prompts in the file's order. What was appended to the file after the survey is not read."""
        for found in self._parse(self._lines()):
            if isinstance(found, Prompt) and found.index < survey.records:
                yield found

    def _lines(self, on_bytes: Callable[[bytes], None] = lambda _: None) -> Iterator[bytes]:
        self._file.seek(0)
        for number, line in enumerate(self._file):
            on_bytes(line)
            yield line.removeprefix(_BOM) if number == 0 else line

    def _parse(self, lines: Iterator[bytes]) -> Iterator[Prompt | BadLine]:
        for index, (line, record) in enumerate(_READERS[self.format](lines, self._column)):
            if isinstance(record, BadLine):
                yield record
            else:
                yield self._checked(index, line, record)

    def _checked(self, index: int, line: int, record: dict[str, Any]) -> Prompt | BadLine:
        if self._column != "prompt":
            if self._column not in record:
                return BadLine(line, f"no {self._column!r}")
            record = {"id": record.get("id"), "prompt": record[self._column]}
        found = _check(index, line, record, allow_local_files=self._allow_local_files)
        if self._images is None or isinstance(found, BadLine):
            return found
        try:
            images = images_in(record.get(self._images), allow_local_files=self._allow_local_files)
            pictured = replace(found, images=images)
            if images and not isinstance(found.content, str):
                pictured.conversation()
        except ValueError as error:
            return BadLine(line, f"{self._images!r}: {error}")
        return pictured


@contextmanager
def open_prompts(
    path: str,
    file_format: Format | None = None,
    *,
    allow_local_files: bool = False,
    images: str | None = None,
    column: str = "prompt",
) -> Iterator[PromptFile]:
    """The prompt file at `path`, `-` for standard input; `file_format` overrules name and content.

    `allow_local_files` is for files whose every line you trust. `images` is the column that names images, `column` the
    one that holds the prompt.

    Raises:
        BadInputError: there is no such file, or it cannot be read.
    """
    name = "stdin" if path == "-" else path
    chosen = file_format or _FORMATS.get(Path(path).suffix.lower())
    with _open(path, name) as file:
        if _is_rereadable(file):
            yield PromptFile(file, name, chosen, allow_local_files=allow_local_files, images=images, column=column)
        else:
            with tempfile.TemporaryFile() as spool:
                shutil.copyfileobj(file, spool)
                yield PromptFile(spool, name, chosen, allow_local_files=allow_local_files, images=images, column=column)


@contextmanager
def _open(path: str, name: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115  (only opening it is guarded; what happens inside is not ours)
    except OSError as error:
        raise BadInputError(f"{name}: {error.strerror}") from error
    with file:
        yield file


def _is_rereadable(file: BinaryIO) -> bool:
    """Standard input never is, even when it is a file: the shell may have read its beginning, which is not ours."""
    return file is not getattr(sys.stdin, "buffer", None) and stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _guess_format(file: BinaryIO, column: str) -> Format:
    file.seek(0)
    first = next((line for line in file if line.strip()), b"").removeprefix(_BOM)
    if first.lstrip()[:1] in (b"{", b"["):
        return "jsonl"
    header = next(csv.reader([first.decode("utf-8", "replace")]), [])
    return "csv" if column in header else "text"


def _read_jsonl(lines: Iterator[bytes], _column: str) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            yield number, _json_object(number, raw)


def _json_object(number: int, raw: bytes) -> dict[str, Any] | BadLine:
    if raw.lstrip().startswith(b"["):
        return BadLine(number, "a JSON array; JSON lines are needed, one object a line")
    try:
        value = json.loads(raw.decode("utf-8").rstrip("\r\n"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return BadLine(number, _not_utf8(error))
    except json.JSONDecodeError as error:
        return BadLine(number, f"not JSON: {error.msg} (column {error.colno})")
    except ValueError as error:
        return BadLine(number, f"not JSON: {error}")
    except RecursionError:
        return BadLine(number, "not usable JSON: nested too deeply")
    if not isinstance(value, dict):
        return BadLine(number, f"not a JSON object but {_KINDS.get(type(value), 'a value')}")
    return value


_KINDS = {str: "a string", int: "a number", float: "a number", bool: "a boolean", type(None): "null", list: "an array"}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _not_utf8(error: UnicodeDecodeError) -> str:
    return f"not UTF-8: byte 0x{error.object[error.start]:02x} at position {error.start}"


def _read_text(lines: Iterator[bytes], column: str) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            try:
                yield number, {column: raw.decode("utf-8").rstrip("\r\n")}
            except UnicodeDecodeError as error:
                yield number, BadLine(number, _not_utf8(error))


def _read_csv(lines: Iterator[bytes], column: str) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    # Bytes that are no UTF-8 travel as surrogates, because a quoted cell may span lines; `_cells` finds them again.
    reader = csv.reader((line.decode("utf-8", "surrogateescape") for line in lines), strict=True)
    columns: list[str] | None = None
    while True:
        begin = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begin, BadLine(begin, f"not CSV: {error}", is_fatal=columns is None)
            continue
        if not "".join(cells).strip() and len(cells) <= 1:
            continue
        if columns is None:
            columns = cells
            if reason := _header_trouble(columns, column):
                yield begin, BadLine(begin, reason, is_fatal=True)
                return
        else:
            yield begin, _cells(begin, columns, cells)


def _header_trouble(columns: list[str], wanted: str) -> str | None:
    if any(_has_surrogate(column) for column in columns):
        return "not UTF-8"
    if wanted not in columns:
        return f"no column named {wanted!r} (found: {', '.join(map(repr, columns))})"
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    return f"column {repeated[0]!r} appears twice" if repeated else None


def _cells(line: int, columns: list[str], cells: list[str]) -> dict[str, Any] | BadLine:
    if any(_has_surrogate(cell) for cell in cells):
        return BadLine(line, "not UTF-8")
    if len(cells) != len(columns):
        return BadLine(line, f"{len(cells)} cells, but the header has {len(columns)} columns")
    return dict(zip(columns, cells, strict=True))


_READERS: dict[Format, Callable[[Iterator[bytes], str], Iterator[tuple[int, dict[str, Any] | BadLine]]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "text": _read_text,
}


def _check(index: int, line: int, record: dict[str, Any], *, allow_local_files: bool) -> Prompt | BadLine:
    """The prompt in a raw record, or what is wrong with it."""
    if reason := _prompt_trouble(record):
        return BadLine(line, reason)
    carried = {name: value for name, value in record.items() if name not in ("id", "prompt", "messages")}
    given_id = record.get("id")
    content = record["prompt"] if "prompt" in record else record["messages"]
    row_id = index if given_id is None else given_id
    prompt = Prompt(index, line, row_id, content, carried, allow_local_files)
    return _check_messages(prompt) if "messages" in record else prompt


def _prompt_trouble(record: dict[str, Any]) -> str | None:
    if "prompt" in record and "messages" in record:
        return "both 'prompt' and 'messages'; one of them is needed"
    if "messages" in record:
        return None
    if "prompt" not in record:
        return "no 'prompt' and no 'messages'"
    prompt = record["prompt"]
    if not isinstance(prompt, str):
        return f"'prompt' is not a text but {_KINDS.get(type(prompt), 'an object')}"
    if not prompt.strip():
        return "'prompt' is empty"
    return _lone_surrogate(prompt)


def _check_messages(prompt: Prompt) -> Prompt | BadLine:
    messages = prompt.content
    if not isinstance(messages, list) or not messages:
        return BadLine(prompt.line, "'messages' is not a list of messages")
    if reason := _lone_surrogate(json.dumps(messages, ensure_ascii=False)):
        return BadLine(prompt.line, reason)
    try:
        prompt.conversation()
    except ConfigError as error:
        reason = str(error).replace("allow_local_files=True", "--allow-local-files")
        return BadLine(prompt.line, f"'messages': {reason}")
    return prompt


def _lone_surrogate(text: str) -> str | None:
    return "a lone surrogate (half a \\u pair), which is no text" if _has_surrogate(text) else None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False

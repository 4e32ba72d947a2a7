"""What a tool returned or raised, as a result that a model can read. Pure; runs in the tool's thread or loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_jsonable_python

from deluge_sync.errors import ToolArgumentsError
from deluge_sync.prompt.parts import File, Image, Part, Text, ToolCall, ToolResult, compact_json

__all__ = ["error_result", "failed_result", "tool_result"]

_SHOWN: Final = (Text, Image, File)
_LONGEST_ERROR: Final = 2_000


def tool_result(call: ToolCall, value: Any, *, max_chars: int) -> ToolResult:
    """A tool's return value: text, images and files as they are, everything else as JSON text.

    A list with an image, a file or a `Text` in it becomes a row of parts. Pydantic models, dataclasses, enums, dates,
    sets and the like take their JSON form; what has none is told as `str` tells it. Of a text of more than `max_chars`
    characters, all texts of a row counted together, the beginning is kept, and a note says how long it was. A
    `ToolResult` is taken with its parts and its `is_error`.
    """
    if isinstance(value, ToolResult):
        return replace(value, tool_call_id=call.id, result=_capped(value.result, max_chars))
    try:
        return ToolResult(call.id, _capped(_content(value), max_chars))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        return error_result(call, f"the tool ran, but its result has no JSON form: {_short(str(error))}")


def failed_result(call: ToolCall, error: BaseException) -> ToolResult:
    """What a tool raised: type and message, no traceback. Wrong arguments are told in their own words."""
    if isinstance(error, ToolArgumentsError):
        return error_result(call, str(error))
    message = str(error)
    return error_result(call, f"{type(error).__name__}: {message}" if message else type(error).__name__)


def error_result(call: ToolCall, message: str) -> ToolResult:
    """A result that says what went wrong."""
    return ToolResult(call.id, _short(message), is_error=True)


def _content(value: Any) -> str | Sequence[Part]:
    if isinstance(value, str):
        return value
    if isinstance(value, _SHOWN):
        return [value]
    if isinstance(value, list | tuple) and any(isinstance(item, _SHOWN) for item in value):
        return [item if isinstance(item, _SHOWN) else Text(_text(item)) for item in value]
    return _with_media(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else compact_json(_jsonable(value, []), what="the result")


def _with_media(value: Any) -> str | list[Part]:
    """JSON text; images and files from inside the value follow it, and it names them in their places."""
    media: list[Image | File] = []
    written = compact_json(_jsonable(value, media), what="the result")
    return [Text(written), *media] if media else written


def _jsonable(value: Any, media: list[Image | File]) -> Any:
    def otherwise(item: Any) -> Any:
        if isinstance(item, Image | File):
            media.append(item)
            return f"[{type(item).__name__.lower()} {len(media)}]"
        as_list = getattr(item, "tolist", None)  # numpy's arrays and numbers
        return as_list() if callable(as_list) else str(item)

    return _finite(to_jsonable_python(value, fallback=otherwise, bytes_mode="base64"))


def _finite(value: Any) -> Any:
    """JSON has no word for what is no finite number, which pydantic leaves where it stands."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _capped(content: str | Sequence[Part], max_chars: int) -> str | Sequence[Part]:
    if isinstance(content, str):
        return _cut(content, max_chars)
    kept: list[Part] = []
    left = max_chars
    for part in content:
        if isinstance(part, Text):
            kept.append(replace(part, text=_cut(part.text, left)))
            left = max(0, left - len(part.text))
        else:
            kept.append(part)
    return kept


def _cut(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return _sendable(text)
    return f"{_sendable(text[:max_chars])}\n[cut: the first {max_chars:,} of {len(text):,} characters]"


def _sendable(text: str) -> str:
    """Half a character, as in a file name of unknown encoding, has no form in UTF-8: the next request would fail."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _short(message: str) -> str:
    return _cut(message, _LONGEST_ERROR)

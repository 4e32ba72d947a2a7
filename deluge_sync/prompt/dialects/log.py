"""Our own form of a conversation for storage: versioned, JSON-ready, without loss. Also what a fingerprint hashes.

An image or a file is stored with its content as base64, and one at a URL or a provider with its address; a fingerprint
hashes it instead. A field at its default is left out, so that a later field changes neither the stored form nor the
fingerprint of what does not use it. `Conversation.to_log`, `from_log` and `APIResponse.to_dict` call it.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.media import Media
from deluge_sync.prompt.message import Message
from deluge_sync.prompt.parts import (
    File,
    Image,
    Part,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    copy_json,
)
from deluge_sync.prompt.source import is_url

__all__ = ["VERSION", "dump_message", "load_message"]

VERSION: Final = 1
MediaForm: TypeAlias = Literal["content", "placeholder", "fingerprint"]
_DIALECT: Final = "log"


def dump_message(message: Message, *, media: MediaForm = "content") -> dict[str, Any]:
    """The message as JSON-ready values that share no dict or list with it.

    An image or a file is its content; or, with `media="placeholder"`, a note of what it was, which comes back as a
    `ProviderPart` that no provider is sent; or, with "fingerprint", its hash, which `load_message` does not read.

    Raises:
        ConfigError: an image or a file cannot be read (never with "placeholder").
    """
    return _without_defaults(
        role=message.role,
        name=message.name,
        extra=copy_json(message.extra),
        parts=[_dump_part(part, media) for part in message.parts],
    )


def load_message(stored: Mapping[str, Any]) -> Message:
    """The message that `dump_message` stored.

    Raises:
        ConfigError: it is not of that form; the message says what is wrong.
    """
    try:
        parts = [_load_part(part) for part in stored["parts"]]
        return Message(stored["role"], parts, stored.get("name"), copy_json(stored.get("extra")))
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ConfigError(f"not a stored message: {error!r} in {stored!r:.200}") from error


def _dump_part(part: Part, media: MediaForm = "content") -> dict[str, Any]:
    kind, dump = _DUMPERS[type(part)]
    if isinstance(part, Image | File) and media == "fingerprint":
        return {"type": kind, "fingerprint": part.fingerprint}
    if isinstance(part, Image | File) and media == "placeholder":
        return _dump_part(ProviderPart(_DIALECT, {"type": kind, "was": str(part)}))
    if isinstance(part, ToolResult):
        return {"type": kind, **_dump_tool_result(part, media)}
    return {"type": kind, **dump(part)}


def _load_part(stored: Mapping[str, Any]) -> Part:
    load = _LOADERS.get(stored["type"])
    if load is None:
        raise ConfigError(f"not a stored part: unknown type {stored['type']!r} (stored by a later version?)")
    return load(stored)


def _dump_text(part: Text) -> dict[str, Any]:
    return _without_defaults(text=part.text, extra=copy_json(part.extra))


def _load_text(stored: Mapping[str, Any]) -> Text:
    return Text(stored["text"], copy_json(stored.get("extra")))


def _dump_refusal(part: Refusal) -> dict[str, Any]:
    return _without_defaults(text=part.text, extra=copy_json(part.extra))


def _load_refusal(stored: Mapping[str, Any]) -> Refusal:
    return Refusal(stored["text"], copy_json(stored.get("extra")))


def _dump_thinking(part: Thinking) -> dict[str, Any]:
    origin = _dump_provider_part(part.origin) if part.origin is not None else None
    return _without_defaults(content=part.content, origin=origin)


def _load_thinking(stored: Mapping[str, Any]) -> Thinking:
    origin = stored.get("origin")
    return Thinking(stored["content"], _load_provider_part(origin) if origin is not None else None)


def _dump_image(part: Image) -> dict[str, Any]:
    detail = part.detail if part.detail != "auto" else None
    return _dump_media(part) | _without_defaults(detail=detail, max_size=part.max_size)


def _load_image(stored: Mapping[str, Any]) -> Image:
    options = {name: stored[name] for name in ("detail", "max_size") if name in stored}
    return Image(_stored_data(stored), **_load_media(stored), **options)


def _dump_file(part: File) -> dict[str, Any]:
    return _dump_media(part) | _without_defaults(filename=part.filename)


def _load_file(stored: Mapping[str, Any]) -> File:
    return File(_stored_data(stored), **_load_media(stored), filename=stored.get("filename"))


def _dump_media(part: Media) -> dict[str, Any]:
    content = part.original
    return _without_defaults(
        base64=b64encode(content).decode("ascii") if content is not None else None,
        url=part.url,
        file_id=part.file_id,
        provider=part.provider,
        media_type=part.original_type,
        extra=copy_json(part.extra),
    )


def _stored_data(stored: Mapping[str, Any]) -> bytes | str | None:
    """The content or the URL. A local path is never stored, so that none is ever read from what was."""
    if "base64" in stored:
        return b64decode(stored["base64"], validate=True)
    url = stored.get("url")
    if url is not None and not is_url(url):
        raise ConfigError(f"not a stored part: {url!r:.80} is no http(s) URL")
    return url


def _load_media(stored: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: stored.get(name) for name in ("media_type", "file_id", "provider")}
    return fields | {"extra": copy_json(stored.get("extra"))}


def _dump_tool_call(part: ToolCall) -> dict[str, Any]:
    return _without_defaults(
        id=part.id,
        name=part.name,
        arguments=copy_json(part.arguments),
        raw_arguments=part.raw_arguments,
        extra=copy_json(part.extra),
    )


def _load_tool_call(stored: Mapping[str, Any]) -> ToolCall:
    arguments, extra = copy_json(stored["arguments"]), copy_json(stored.get("extra"))
    return ToolCall(stored["id"], stored["name"], arguments, stored.get("raw_arguments"), extra)


def _dump_tool_result(part: ToolResult, media: MediaForm = "content") -> dict[str, Any]:
    result = part.result if isinstance(part.result, str) else [_dump_part(item, media) for item in part.result]
    extra = copy_json(part.extra)
    return _without_defaults(tool_call_id=part.tool_call_id, result=result, is_error=part.is_error or None, extra=extra)


def _load_tool_result(stored: Mapping[str, Any]) -> ToolResult:
    result = stored["result"]
    parts = result if isinstance(result, str) else [_load_part(item) for item in result]
    return ToolResult(stored["tool_call_id"], parts, stored.get("is_error", False), copy_json(stored.get("extra")))


def _dump_provider_part(part: ProviderPart) -> dict[str, Any]:
    place = part.place if part.place != "content" else None
    return _without_defaults(dialect=part.dialect, data=copy_json(part.data), place=place)


def _load_provider_part(stored: Mapping[str, Any]) -> ProviderPart:
    return ProviderPart(stored["dialect"], copy_json(stored["data"]), stored.get("place", "content"))


def _without_defaults(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_DUMPERS: Final[dict[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    Text: ("text", _dump_text),
    Image: ("image", _dump_image),
    File: ("file", _dump_file),
    Refusal: ("refusal", _dump_refusal),
    Thinking: ("thinking", _dump_thinking),
    ToolCall: ("tool_call", _dump_tool_call),
    ToolResult: ("tool_result", _dump_tool_result),
    ProviderPart: ("provider", _dump_provider_part),
}
_LOADERS: Final[dict[str, Callable[[Mapping[str, Any]], Part]]] = {
    "text": _load_text,
    "image": _load_image,
    "file": _load_file,
    "refusal": _load_refusal,
    "thinking": _load_thinking,
    "tool_call": _load_tool_call,
    "tool_result": _load_tool_result,
    "provider": _load_provider_part,
}

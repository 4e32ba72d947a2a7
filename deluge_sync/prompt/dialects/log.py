"""Our own form of a conversation for storage: versioned, JSON-ready, without loss. Also what a fingerprint hashes.

A field at its default is left out, so that a later field changes neither the stored form nor the fingerprint of what
does not use it. `Conversation.to_log`, `from_log` and `APIResponse.to_dict` call it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.message import Message
from deluge_sync.prompt.parts import (
    Part,
    ProviderPart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    copy_json,
)

__all__ = ["VERSION", "dump_message", "load_message"]

VERSION: Final = 1


def dump_message(message: Message) -> dict[str, Any]:
    """The message as JSON-ready values that share no dict or list with it."""
    return _without_defaults(
        role=message.role,
        name=message.name,
        extra=copy_json(message.extra),
        parts=[_dump_part(part) for part in message.parts],
    )


def load_message(stored: Mapping[str, Any]) -> Message:
    """The message that `dump_message` stored.

    Raises:
        ConfigError: it is not of that form; the message says what is wrong.
    """
    try:
        parts = [_load_part(part) for part in stored["parts"]]
        return Message(stored["role"], parts, stored.get("name"), copy_json(stored.get("extra")))
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"not a stored message: {error!r} in {stored!r:.200}") from error


def _dump_part(part: Part) -> dict[str, Any]:
    kind, dump = _DUMPERS[type(part)]
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
    return {"text": part.text}


def _load_refusal(stored: Mapping[str, Any]) -> Refusal:
    return Refusal(stored["text"])


def _dump_thinking(part: Thinking) -> dict[str, Any]:
    origin = _dump_provider_part(part.origin) if part.origin is not None else None
    return _without_defaults(content=part.content, origin=origin)


def _load_thinking(stored: Mapping[str, Any]) -> Thinking:
    origin = stored.get("origin")
    return Thinking(stored["content"], _load_provider_part(origin) if origin is not None else None)


def _dump_tool_call(part: ToolCall) -> dict[str, Any]:
    return _without_defaults(
        id=part.id, name=part.name, arguments=copy_json(part.arguments), raw_arguments=part.raw_arguments
    )


def _load_tool_call(stored: Mapping[str, Any]) -> ToolCall:
    return ToolCall(stored["id"], stored["name"], copy_json(stored["arguments"]), stored.get("raw_arguments"))


def _dump_tool_result(part: ToolResult) -> dict[str, Any]:
    result = part.result if isinstance(part.result, str) else [_dump_part(item) for item in part.result]
    return _without_defaults(tool_call_id=part.tool_call_id, result=result, is_error=part.is_error or None)


def _load_tool_result(stored: Mapping[str, Any]) -> ToolResult:
    result = stored["result"]
    parts = result if isinstance(result, str) else [_load_part(item) for item in result]
    return ToolResult(stored["tool_call_id"], parts, stored.get("is_error", False))


def _dump_provider_part(part: ProviderPart) -> dict[str, Any]:
    place = part.place if part.place != "content" else None
    return _without_defaults(dialect=part.dialect, data=copy_json(part.data), place=place)


def _load_provider_part(stored: Mapping[str, Any]) -> ProviderPart:
    return ProviderPart(stored["dialect"], copy_json(stored["data"]), stored.get("place", "content"))


def _without_defaults(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_DUMPERS: Final[dict[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    Text: ("text", _dump_text),
    Refusal: ("refusal", _dump_refusal),
    Thinking: ("thinking", _dump_thinking),
    ToolCall: ("tool_call", _dump_tool_call),
    ToolResult: ("tool_result", _dump_tool_result),
    ProviderPart: ("provider", _dump_provider_part),
}
_LOADERS: Final[dict[str, Callable[[Mapping[str, Any]], Part]]] = {
    "text": _load_text,
    "refusal": _load_refusal,
    "thinking": _load_thinking,
    "tool_call": _load_tool_call,
    "tool_result": _load_tool_result,
    "provider": _load_provider_part,
}

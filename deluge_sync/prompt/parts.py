"""What a message is made of: small frozen values, each one kind of content, none of them tied to a wire format.

They fetch no URL, and only an `Image` or a `File` reads a file: when it is asked for its content. A dict inside a part
is not to be changed after the part was made; a dialect hands out copies. `Message` holds the parts, the dialects write
them for a provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.file import File
from deluge_sync.prompt.image import Image

__all__ = [
    "File",
    "Image",
    "Part",
    "ProviderPart",
    "Refusal",
    "Text",
    "Thinking",
    "ToolCall",
    "ToolResult",
    "compact_json",
    "copy_json",
]


@dataclass(frozen=True, slots=True)
class Text:
    """Visible text. `extra` has what a wire format says beside it, by dialect: `{"openai-chat": {...}}`."""

    text: str
    extra: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's words for why it does not answer. Kept apart from text, so that no one takes it for an answer.

    `extra` has what a wire format says beside it, by dialect.
    """

    text: str
    extra: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class ProviderPart:
    """Something a wire format says that we have no type for, kept as it was given and sent back only in that format.

    `place` is the list of the message it stood in.
    """

    dialect: str
    data: Mapping[str, Any] = field(hash=False)
    place: Literal["content", "tool_calls"] = "content"


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model's reasoning. Never shown as text, and never sent as text to a format that has no place for it.

    `origin` is the block as its provider sent it, signature or encrypted form included, to go back there unchanged.
    """

    content: str
    origin: ProviderPart | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool. `arguments` is `{}` where it wrote no JSON object; what it wrote is never lost.

    `raw_arguments` is the text as the model wrote it, and None where that is just what `arguments` gives when written
    compactly. It goes back to the provider character by character, which its prompt cache needs. `extra` has what a
    wire format says beside it, by dialect (Gemini's thought signature).
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = field(hash=False)
    raw_arguments: str | None = None
    extra: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.arguments, Mapping):
            raise ConfigError(f"the arguments of tool call {self.name!r} are no dict: {self.arguments!r}")

    @classmethod
    def from_text(cls, call_id: str, name: str, raw_arguments: str, extra: Mapping[str, Any] | None = None) -> ToolCall:
        """The call with its arguments as the model wrote them. An empty text means no arguments."""
        if not raw_arguments.strip():
            return cls(call_id, name, {}, None, extra)
        arguments = _parse_object(raw_arguments)
        if arguments is None:
            return cls(call_id, name, {}, raw_arguments, extra)
        raw = raw_arguments if compact_json(arguments) != raw_arguments else None
        return cls(call_id, name, arguments, raw, extra)

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON text, as the model wrote them where it did."""
        if self.raw_arguments is not None:
            return self.raw_arguments
        return compact_json(self.arguments, what=f"the arguments of tool call {self.name!r}")

    @property
    def is_malformed(self) -> bool:
        """The model wrote something that is no JSON object; it is in `raw_arguments`."""
        return self.raw_arguments is not None and _parse_object(self.raw_arguments) is None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back: text, or a row of parts (text, images, files). `is_error`: the tool failed.

    `extra` has what a wire format says beside it, by dialect (Anthropic's `cache_control`).
    """

    tool_call_id: str
    result: str | Sequence[Part]
    is_error: bool = False
    extra: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.result, str):
            object.__setattr__(self, "result", tuple(self.result))

    @classmethod
    def of(cls, tool_call_id: str, value: Any, *, is_error: bool = False) -> ToolResult:
        """A result from any value: text and parts as they are, everything else as JSON text."""
        if isinstance(value, Image | File | Text):
            value = [value]
        if isinstance(value, str) or _is_parts(value):
            return cls(tool_call_id, value, is_error)
        return cls(tool_call_id, compact_json(value, what=f"the result of tool call {tool_call_id!r}"), is_error)

    @property
    def text(self) -> str:
        """All text of the result in a row."""
        if isinstance(self.result, str):
            return self.result
        return "".join(part.text for part in self.result if isinstance(part, Text))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The result as parts: a text is one `Text`."""
        return (Text(self.result),) if isinstance(self.result, str) else tuple(self.result)


Part: TypeAlias = Text | Image | File | ToolCall | ToolResult | Thinking | Refusal | ProviderPart


def compact_json(value: Any, *, what: str = "the value") -> str:
    """JSON without spaces, other scripts as they are.

    Raises:
        ConfigError: the value holds something that JSON has no form for; `what` names it in the message.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain_mapping)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{what} cannot be written as JSON: {error}") from error


def copy_json(value: Any) -> Any:
    """A copy of a JSON value that shares no dict or list with it; other values are the same objects."""
    if value is None:  # by far the most frequent, and asking for a Mapping is dear
        return None
    if isinstance(value, Mapping):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copy_json(item) for item in value]
    return value


def _plain_mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _is_parts(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, _PART_TYPES) for item in value)


_PART_TYPES = (Text, Image, File, ToolCall, ToolResult, Thinking, Refusal, ProviderPart)


def _parse_object(text: str) -> dict[str, Any] | None:
    """The JSON object in `text`, or None. NaN, 5,000-digit integers and bottomless nesting are no JSON to us."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")

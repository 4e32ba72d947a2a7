"""One message of a conversation: a role and its parts, in order.

Built by users and by the adapters, written for a provider by a dialect. Reads no file and fetches no URL: an image or a
file is read when a request is built. Only `with_remote_file` speaks to a provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, get_args

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult

if TYPE_CHECKING:
    from deluge_sync._secret import Secret
    from deluge_sync.prompt.image import Detail
    from deluge_sync.prompt.source import MediaData

__all__ = ["ROLES", "Message", "Role"]

Role = Literal["system", "user", "assistant", "tool"]
ROLES: Final[tuple[str, ...]] = get_args(Role)

# Which roles may say what. A tool result in a user message is how some formats write it; models draw images.
_SPEAKERS: Final[dict[type, frozenset[str]]] = {
    Text: frozenset(ROLES),
    Image: frozenset(ROLES),
    File: frozenset(ROLES),
    ProviderPart: frozenset(ROLES),
    ToolCall: frozenset({"assistant"}),
    Thinking: frozenset({"assistant"}),
    Refusal: frozenset({"assistant"}),
    ToolResult: frozenset({"tool", "user"}),
}

P = TypeVar("P", Text, Image, File, ToolCall, ToolResult, Thinking, Refusal, ProviderPart)


@dataclass(slots=True)
class Message:
    """A role and its parts. The `with_*` methods change this message and return it, so that they chain.

    `extra` has what a wire format says about the message beside role, name and parts, by dialect. Equality compares
    all of it. Not for use by two threads while one of them changes it.

    Raises:
        ConfigError: the role is unknown, or a part does not fit it (a tool call in a user's message).
    """

    role: Role
    parts: list[Part] = field(default_factory=list)
    name: str | None = None
    extra: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"unknown role {self.role!r}; a message is from {', '.join(ROLES)}")
        if isinstance(self.parts, str):
            raise ConfigError(f"parts is a list of parts, not a text; Message.{self.role}(text) makes one of a text")
        self.parts = list(self.parts)
        for part in self.parts:
            self._check(part)

    @classmethod
    def system(cls, text: str | None = None) -> Self:
        """A system message, of this text or still empty; so with `user` and `ai`."""
        return cls("system", _parts_of(text))

    @classmethod
    def user(
        cls, text: str | None = None, image: Image | MediaData | None = None, file: File | MediaData | None = None
    ) -> Self:
        """A user message of this text, then the image, then the file; each may be left out."""
        message = cls("user", _parts_of(text))
        if image is not None:
            message.with_image(image)
        return message if file is None else message.with_file(file)

    @classmethod
    def ai(cls, text: str | None = None) -> Self:
        return cls("assistant", _parts_of(text))

    def with_part(self, part: Part) -> Self:
        """Append a part; every other `with_*` ends here."""
        self._check(part)
        self.parts.append(part)
        return self

    def with_text(self, text: str) -> Self:
        """Append a text."""
        return self.with_part(_text(text))

    def with_image(self, data: Image | MediaData, detail: Detail = "auto", max_size: int | None = None) -> Self:
        """Append an image: an `Image`, or what one is made of (a path, an http(s) URL, bytes, a buffer, base64).

        Its longest side is made at most `max_size` pixels. A file is read later, when a request is built.
        """
        return self.with_part(Image.of(data, detail=detail, max_size=max_size))

    def with_file(self, data: File | MediaData, media_type: str | None = None, filename: str | None = None) -> Self:
        """Append a file: a `File`, or what one is made of (a path, an http(s) URL, bytes, a buffer, base64)."""
        return self.with_part(File.of(data, media_type=media_type, filename=filename))

    async def with_remote_file(
        self,
        data: Image | File | MediaData,
        provider: str = "openai",
        media_type: str | None = None,
        filename: str | None = None,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
    ) -> Self:
        """`with_remote_file_sync`, awaited: `await message.with_remote_file("report.pdf", "gemini")`."""
        media = data if isinstance(data, Image) else File.of(data, media_type=media_type, filename=filename)
        return self.with_part(await media.as_remote(provider, api_key=api_key, base_url=base_url))

    def with_remote_file_sync(
        self,
        data: Image | File | MediaData,
        provider: str = "openai",
        media_type: str | None = None,
        filename: str | None = None,
        *,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
    ) -> Self:
        """Upload a file to a provider, unless this process has done so, and append it by its id; so with an `Image`.

        Raises: as `File.as_remote_sync`; nothing is appended then.
        """
        media = data if isinstance(data, Image) else File.of(data, media_type=media_type, filename=filename)
        return self.with_part(media.as_remote_sync(provider, api_key=api_key, base_url=base_url))

    def with_tool_call(self, id: str, name: str, arguments: Mapping[str, Any]) -> Self:  # noqa: A002  (the public name)
        """Append a tool call (assistant only)."""
        return self.with_part(ToolCall(id, name, arguments))

    def with_tool_result(self, tool_call_id: str, result: Any, *, is_error: bool = False) -> Self:
        """Append what a tool gave back: a text, a list of parts, or any JSON value, which is written as JSON text."""
        return self.with_part(ToolResult.of(tool_call_id, result, is_error=is_error))

    def with_thinking(self, content: str) -> Self:
        """Append reasoning (assistant only)."""
        return self.with_part(Thinking(content))

    add_part = with_part
    add_text = with_text
    add_image = with_image
    add_file = with_file
    add_remote_file = with_remote_file
    add_remote_file_sync = with_remote_file_sync
    add_tool_call = with_tool_call
    add_tool_result = with_tool_result
    add_thinking = with_thinking

    @property
    def text(self) -> str:
        """All texts in a row; empty when there are none."""
        return "".join(part.text for part in self._of(Text))

    @property
    def completion(self) -> str | None:
        """The first text, or None."""
        return next((part.text for part in self.parts if isinstance(part, Text)), None)

    @property
    def images(self) -> list[Image]:
        """In their order; those inside tool results are not among them."""
        return self._of(Image)

    @property
    def files(self) -> list[File]:
        """In their order; those inside tool results are not among them."""
        return self._of(File)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """In the model's order."""
        return self._of(ToolCall)

    @property
    def tool_results(self) -> list[ToolResult]:
        """In the order they were added."""
        return self._of(ToolResult)

    @property
    def thinking(self) -> str | None:
        """All reasoning in a row, or None when there is none."""
        thoughts = self._of(Thinking)
        return "".join(thought.content for thought in thoughts) if thoughts else None

    @property
    def refusal(self) -> str | None:
        """The model's refusal, or None."""
        return next((part.text for part in self.parts if isinstance(part, Refusal)), None)

    def copy(self) -> Self:
        """A message that can be changed without changing this one; the parts themselves never change."""
        return type(self)(self.role, list(self.parts), self.name, self.extra)

    def _of(self, kind: type[P]) -> list[P]:
        return [part for part in self.parts if isinstance(part, kind)]

    def _check(self, part: object) -> None:
        speakers = _SPEAKERS.get(type(part))
        if speakers is None:
            raise ConfigError(f"not a message part: {part!r:.80}")
        if self.role not in speakers:
            raise ConfigError(f"a {self.role} message cannot hold a {type(part).__name__}")


def _parts_of(text: str | None) -> list[Part]:
    return [] if text is None else [_text(text)]


def _text(text: str) -> Text:
    if not isinstance(text, str):
        raise ConfigError(f"a message's text is a str, not {type(text).__name__}: {text!r:.80}")
    return Text(text)

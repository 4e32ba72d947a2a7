"""How many input tokens messages will have: their texts, what the chat format adds, and their images and documents.

Texts are counted by the function given: the estimate for the limiter, a tokenizer where there is one for users. Never
fails over an image or a file that cannot be read. `Conversation.estimate_tokens` and `count_tokens` call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.prompt.media_tokens import MediaRule, file_tokens, image_tokens, rule_of
from deluge_sync.prompt.parts import File, Image, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult
from deluge_sync.prompt.tokens import estimate_text_tokens

if TYPE_CHECKING:
    from deluge_sync.prompt.message import Message
    from deluge_sync.prompt.parts import Part

__all__ = ["count_message_tokens"]

# What the chat format adds: Source: OpenAI's cookbook, "How to count tokens with tiktoken" (3 a message and its role,
# 3 to open the answer, 1 for a name).
_PER_PROMPT: Final = 3
_PER_MESSAGE: Final = 4
_PER_NAME: Final = 1
_PER_CALL: Final = 8  # the id is not tokenized as text; brackets and field names are
_PER_JSON_TEXT: Final = 2  # the signs around it
_CHARACTERS_PER_MEDIA_TOKEN: Final = 100  # base64 in a part that we have no type for


def count_message_tokens(
    messages: Iterable[Message],
    *,
    count_text: Callable[[str], int] = estimate_text_tokens,
    img_tokens: int = 85,
    media_rule: str = "openai",
) -> int:
    """The input tokens of the messages. An image whose size is not known is `img_tokens`; see `media_tokens`."""
    counter = _Counter(count_text, img_tokens, rule_of(media_rule))
    return _PER_PROMPT + sum(counter.message(message) for message in messages)


@dataclass(frozen=True, slots=True)
class _Counter:
    text: Callable[[str], int]
    unknown_image: int
    rule: MediaRule

    def message(self, message: Message) -> int:
        name = _PER_NAME + self.text(message.name) if message.name else 0
        return _PER_MESSAGE + name + sum(self.part(part) for part in message.parts)

    def part(self, part: Part) -> int:
        match part:
            case Text(text=text) | Refusal(text=text):
                return self.text(text)
            case Image():
                return image_tokens(part, self.rule, unknown=self.unknown_image)
            case File():
                return file_tokens(part, self.rule, count_text=self.text)
            case ToolCall():
                return _PER_CALL + self.text(part.name) + self.text(part.arguments_text)
            case ToolResult():
                return _PER_CALL + sum(self.part(item) for item in part.parts)
            case Thinking(origin=None):
                return 0  # no format is sent it
            case Thinking():
                return self.text(part.content)
            case ProviderPart():
                return self.provider_part(part.data)

    def provider_part(self, data: Mapping[str, Any]) -> int:
        kind = str(data.get("type"))
        if "image" in kind:
            return self.unknown_image
        if "audio" in kind or "file" in kind:
            return sum(len(text) for text in _texts(data)) // _CHARACTERS_PER_MEDIA_TOKEN
        return sum(self.text(text) + _PER_JSON_TEXT for text in _texts(data))


def _texts(value: Any) -> list[str]:
    """Every key and value of a JSON value as text, in its order."""
    if isinstance(value, Mapping):
        return [text for key, item in value.items() for text in (str(key), *_texts(item))]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return [str(value)]

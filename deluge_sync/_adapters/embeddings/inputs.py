"""What is asked when texts shall become numbers, and how it travels: as a conversation, so it is a call like others.

The texts are the parts of the last message; a query stands in a message before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from deluge_sync._adapters.writing import warn_once
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Message, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync._adapters.call import Call

__all__ = [
    "INPUT_TYPES",
    "InputType",
    "Limits",
    "Wish",
    "as_prompt",
    "input_type_of",
    "query_of",
    "texts_of",
    "wish_of",
]

InputType = Literal["document", "query", "similarity", "classification", "clustering"]
INPUT_TYPES: tuple[str, ...] = get_args(InputType)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold: texts, and their tokens together where the provider bounds them."""

    texts: int
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How the vectors shall be. `dimensions`: their length; `input_type`: what they are for. None leaves it open."""

    dimensions: int | None = None
    input_type: InputType | None = None


def as_prompt(texts: Sequence[str], *, query: str | None = None) -> Conversation:
    """The conversation that carries the texts, and the query they are held against."""
    asked = Message("user", [Text(text) for text in texts])
    return Conversation([asked] if query is None else [Message.user(query), asked])


def texts_of(call: Call) -> list[str]:
    """The texts of a call."""
    return [part.text for part in call.prompt.messages[-1].parts if isinstance(part, Text)]


def query_of(call: Call) -> str:
    """The query of a call that has one."""
    return call.prompt.messages[0].text


def wish_of(call: Call) -> Wish:
    """How the vectors shall be."""
    return call.extras.wish or Wish()


def input_type_of(call: Call, words: Mapping[str, str]) -> str | None:
    """What the vectors are for, in the provider's word. Where it has none at all, one warning says that it is not sent.

    Raises:
        ConfigError: the provider tells purposes apart, and does not know this one.
    """
    wanted = wish_of(call).input_type
    if wanted is None or wanted in words:
        return words.get(wanted) if wanted is not None else None
    if words:
        raise ConfigError(f"model {call.model.id!r} has no input_type {wanted!r}; it has {', '.join(words)}")
    warn_once(call.model.id, ["input_type"])
    return None

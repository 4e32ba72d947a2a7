"""A prompt: messages in order, and which model answered last. Everything a user may pass as a prompt becomes one.

It sends nothing and fetches no URL; images and files are read when a format is written. The formats are in `dialects`;
this is where they are called.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeAlias, TypeGuard

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects import log as log_dialect
from deluge_sync.prompt.dialects import openai_chat
from deluge_sync.prompt.message import Message
from deluge_sync.prompt.message_tokens import count_message_tokens
from deluge_sync.prompt.tokens import estimate_text_tokens

if TYPE_CHECKING:
    from deluge_sync.prompt.parts import File, Image
    from deluge_sync.prompt.source import MediaData

__all__ = ["Conversation", "Prompt", "is_message_list", "to_conversation"]

P = ParamSpec("P")
# Made once: `json.dumps` would make one for every fingerprint.
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class _Answer(Protocol):
    """What `with_response` needs of an `APIResponse`, which lives one floor higher."""

    @property
    def content(self) -> Message | None: ...
    @property
    def model_internal(self) -> str: ...
    @property
    def error_message(self) -> str | None: ...


class _opens_or_appends(Generic[P]):  # noqa: N801  (used as a decorator)
    """A method that works on the class too, where it begins a new conversation: `Conversation.user("Hi").ai("Ho")`."""

    def __init__(self, append: Callable[Concatenate[Conversation, P], Conversation]) -> None:
        self._append = append
        self.__doc__ = append.__doc__

    def __get__(self, instance: Conversation | None, owner: type[Conversation]) -> Callable[P, Conversation]:
        return MethodType(self._append, owner() if instance is None else instance)


@dataclass(slots=True)
class Conversation:
    """Messages in order. The building methods change this conversation and return it, so that they chain.

    `model_used` is the registry id of the model that answered last, or None. Two conversations are equal when both
    are; `fingerprint` looks at the messages only. Not for use by two threads while one of them changes it.
    """

    messages: list[Message] = field(default_factory=list)
    model_used: str | None = None
    _key: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.messages = [_checked(message) for message in self.messages]

    @_opens_or_appends
    def system(self, text: str) -> Conversation:
        """Append a system message; on the class: begin with one. So with `user` and `ai`."""
        return self.add(Message.system(text))

    @_opens_or_appends
    def user(
        self,
        text: str | None = None,
        image: Image | MediaData | None = None,
        file: File | MediaData | None = None,
    ) -> Conversation:
        """Append a user message of this text, then the image, then the file; on the class: begin with one."""
        return self.add(Message.user(text, image, file))

    @_opens_or_appends
    def ai(self, text: str) -> Conversation:
        """Append an assistant message; on the class: begin with one."""
        return self.add(Message.ai(text))

    def add(self, message: Message) -> Conversation:
        """Append the message itself, not a copy."""
        self.messages.append(_checked(message))
        return self

    with_message = add

    def with_response(self, response: _Answer) -> Conversation:
        """Append a copy of the answer and remember its model.

        Raises:
            ConfigError: the response has no content, because its prompt failed.
        """
        if response.content is None:
            raise ConfigError(f"the response has no content to add; its error: {response.error_message}")
        self.model_used = response.model_internal
        return self.add(response.content.copy())

    def with_tool_result(self, tool_call_id: str, result: Any, *, is_error: bool = False) -> Conversation:
        """Append what a tool gave back. Results in a row, of calls made in parallel, collect in one message."""
        if not self.messages or self.messages[-1].role != "tool":
            self.add(Message("tool"))
        self.messages[-1].with_tool_result(tool_call_id, result, is_error=is_error)
        return self

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, index: int) -> Message:
        return self.messages[index]

    def copy(self) -> Conversation:
        """A conversation that can be changed, its messages included, without changing this one."""
        return Conversation([message.copy() for message in self.messages], self.model_used)

    def keyed(self, key: str) -> Conversation:
        """The same messages under another `fingerprint`, to look up and not to change; this one stays as it is."""
        conversation = Conversation.__new__(Conversation)  # the messages are known to be some
        conversation.messages, conversation.model_used, conversation._key = list(self.messages), self.model_used, key
        return conversation

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of everything the messages say: equal for equal messages, on every machine and version.

        Images and files stand in it with the hash of their content. In what a local cache is given (`keyed`), it is
        the key instead, which covers more.

        Raises:
            ConfigError: an image or a file cannot be read.
        """
        if self._key is not None:
            return self._key
        written = [log_dialect.dump_message(message, media="fingerprint") for message in self.messages]
        return hashlib.sha256(_SORTED.encode(written).encode("ascii")).hexdigest()

    def count_tokens(self, max_new_tokens: int = 0, img_tokens: int = 85, *, media_rule: str = "openai") -> int:
        """Input tokens, plus `max_new_tokens` for the answer.

        Texts are counted with tiktoken's o200k_base where its data is on this machine already (`tokenizer` says
        where it is looked for; nothing is downloaded) and estimated otherwise, as `estimate_tokens` does. Images and
        documents count by the rule of an API: "openai", "anthropic" or "gemini". An image whose size is not known
        (at a URL) counts as `img_tokens`.
        """
        from deluge_sync.prompt import tokenizer  # what it needs is not needed to send prompts

        counter = tokenizer.text_counter() or estimate_text_tokens
        return max_new_tokens + count_message_tokens(
            self.messages, count_text=counter, img_tokens=img_tokens, media_rule=media_rule
        )

    def estimate_tokens(self, max_new_tokens: int = 0, img_tokens: int = 85, *, media_rule: str = "openai") -> int:
        """What `count_tokens` gives, always estimated: fast enough for every request. `tokens` says how well."""
        return max_new_tokens + count_message_tokens(self.messages, img_tokens=img_tokens, media_rule=media_rule)

    def to_openai(self) -> list[dict[str, Any]]:
        """The messages of an OpenAI chat completion request; `dialects.openai_chat` says how they are written."""
        return openai_chat.dump_messages(self.messages)

    @classmethod
    def from_openai_chat(
        cls, messages: Iterable[Mapping[str, Any]], *, allow_local_files: bool = False
    ) -> Conversation:
        """The conversation of an OpenAI chat completion request. Only data: nothing is read or fetched.

        With `allow_local_files` the URL of an image and the data of a file may be a path on this machine: for
        messages that you wrote, never for those of others.

        Raises:
            ConfigError: a message is not of that form; the text names it by its place, from 0.
        """
        return cls(openai_chat.load_messages(messages, allow_local_files=allow_local_files))

    def to_openai_responses(self) -> list[dict[str, Any]]:
        """The `input` of an OpenAI Responses request; `dialects.openai_responses` says how it is written."""
        from deluge_sync.prompt.dialects import openai_responses  # of the formats only the usual one is always loaded

        return openai_responses.dump_messages(self.messages)

    @classmethod
    def from_openai_responses(
        cls,
        items: str | Iterable[Mapping[str, Any]],
        *,
        instructions: str | None = None,
        allow_local_files: bool = False,
    ) -> Conversation:
        """The conversation of an OpenAI Responses request: its `input`, with its `instructions` as a system message.

        The `output` of a response may follow among the items. Only data: nothing is fetched; `allow_local_files` is
        that of `from_openai_chat`.

        Raises:
            ConfigError: an item is not of that form; the text names it by its place, from 0.
        """
        from deluge_sync.prompt.dialects import openai_responses_load

        first = [Message.system(instructions)] if instructions is not None else []
        return cls(first + openai_responses_load.load_items(items, allow_local_files=allow_local_files))

    def to_anthropic(
        self, cache_pattern: str | None = None
    ) -> tuple[str | list[dict[str, Any]] | None, list[dict[str, Any]]]:
        """`system` (None without one) and `messages` of an Anthropic request.

        `dialects.anthropic` says how they are written. cache_pattern: what the provider shall cache, one of
        `dialects.anthropic_cache.CACHE_PATTERNS`. What it says of tools, and "automatic", concern the request around
        the messages and change nothing here.

        Raises:
            ConfigError: an image or a file cannot be read or has no form there, or there is no such pattern.
        """
        from deluge_sync.prompt.dialects import anthropic, anthropic_cache  # of the formats, a program uses one or two

        system, messages = anthropic.dump_messages(self.messages)
        if cache_pattern is None:
            return system, messages
        marked = anthropic_cache.with_cache_marks({"system": system, "messages": messages}, cache_pattern)
        return marked.get("system"), marked["messages"]

    @classmethod
    def from_anthropic(cls, messages: Iterable[Mapping[str, Any]], system: Any = None) -> Conversation:
        """The conversation of an Anthropic request. Only data: nothing is read or fetched.

        Raises:
            ConfigError: a message is not of that form; the text names it by its place, from 0.
        """
        from deluge_sync.prompt.dialects import anthropic

        return cls(anthropic.load_messages(messages, system))

    def to_gemini(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """The `systemInstruction` (None without one) and the `contents` of a Gemini request.

        `dialects.gemini` says how they are written.

        Raises:
            ConfigError: an image or a file cannot be read, or a tool result answers no call of the conversation.
        """
        from deluge_sync.prompt.dialects import gemini  # of the formats, a program uses one or two

        return gemini.dump_system(self.messages), gemini.dump_contents(self.messages)

    @classmethod
    def from_gemini(
        cls, contents: Iterable[Mapping[str, Any]], system_instruction: Mapping[str, Any] | str | None = None
    ) -> Conversation:
        """The conversation of a Gemini request. Only data: nothing is read or fetched.

        Raises:
            ConfigError: a content is not of that form; the text names it by its place, from 0.
        """
        from deluge_sync.prompt.dialects import gemini  # of the formats, a program uses one or two

        return cls(gemini.load_system(system_instruction) + gemini.load_contents(contents))

    def to_mistral(self) -> list[dict[str, Any]]:
        """The messages of a Mistral chat completion request; `dialects.mistral` says how they are written.

        Raises:
            ConfigError: an image or a file cannot be read, or stands in a system message.
        """
        from deluge_sync.prompt.dialects import mistral  # of the formats, a program uses one or two

        return mistral.dump_messages(self.messages)

    @classmethod
    def from_mistral(cls, messages: Iterable[Mapping[str, Any]], *, allow_local_files: bool = False) -> Conversation:
        """The conversation of a Mistral chat completion request. Only data: nothing is read or fetched.

        `allow_local_files` is that of `from_openai_chat`.

        Raises:
            ConfigError: a message is not of that form; the text names it by its place, from 0.
        """
        from deluge_sync.prompt.dialects import mistral  # of the formats, a program uses one or two

        return cls(mistral.load_messages(messages, allow_local_files=allow_local_files))

    def to_bedrock(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """`system` (empty without one) and `messages` of a Bedrock Converse request, as its JSON has them.

        `dialects.bedrock` says how they are written. Bytes are base64 there; boto3 takes the bytes themselves.

        Raises:
            ConfigError: an image or a file cannot be read, is not here, or has no form there.
        """
        from deluge_sync.prompt.dialects import bedrock  # of the formats, a program uses one or two

        return bedrock.dump_messages(self.messages)

    def to_log(self, *, media: Literal["content", "placeholder"] = "content") -> dict[str, Any]:
        """The whole conversation as JSON-ready values for storage: versioned and without loss.

        With `media="placeholder"` images and files are just named: small, but they cannot be sent again.

        Raises:
            ConfigError: an image or a file cannot be read (never with "placeholder").
        """
        return {
            "version": log_dialect.VERSION,
            "model_used": self.model_used,
            "messages": [log_dialect.dump_message(message, media=media) for message in self.messages],
        }

    @classmethod
    def from_log(cls, stored: Mapping[str, Any]) -> Conversation:
        """The conversation that `to_log` stored.

        Raises:
            ConfigError: it is not of that form, or of a later version.
        """
        if "messages" not in stored:
            raise ConfigError(f"not a stored conversation: {stored!r:.80}")
        if stored.get("version") != log_dialect.VERSION:
            raise ConfigError(
                f"a stored conversation of version {stored.get('version')!r}; this reads version {log_dialect.VERSION}"
            )
        messages = [log_dialect.load_message(message) for message in stored["messages"]]
        return cls(messages, stored.get("model_used"))


Prompt: TypeAlias = str | Message | Conversation | list[Message] | list[dict[str, Any]]


def to_conversation(prompt: Any) -> Conversation:
    """The conversation that a prompt stands for: the same object for a Conversation, a new one for all else.

    A text is one user message. A list is one conversation, of `Message`s or of dicts in OpenAI's form.

    Raises:
        ConfigError: the prompt is nothing of that, or empty; the text says where and what.
    """
    conversation = _to_conversation(prompt)
    if not conversation.messages:
        raise ConfigError("the prompt has no messages")
    return conversation


def is_message_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is one prompt written as a list, told by its first item, rather than a list of prompts."""
    if not isinstance(value, list) or not value:
        return False
    return isinstance(value[0], Message) or (isinstance(value[0], Mapping) and "role" in value[0])


def _to_conversation(prompt: Any) -> Conversation:
    if isinstance(prompt, Conversation):
        return prompt
    if isinstance(prompt, str):
        return Conversation([Message.user(prompt)])
    if isinstance(prompt, Message):
        return Conversation([prompt])
    if isinstance(prompt, list | tuple):
        if all(isinstance(item, Message) for item in prompt):
            return Conversation(list(prompt))
        return Conversation.from_openai_chat(prompt)
    raise ConfigError(
        f"a prompt is a text, a Message, a Conversation or a list of messages, not {type(prompt).__name__}: "
        f"{prompt!r:.80}"
    )


def _checked(message: object) -> Message:
    if not isinstance(message, Message):
        raise ConfigError(
            f"a conversation holds Messages, not {type(message).__name__}; "
            "Conversation.from_openai_chat reads dicts in OpenAI's form"
        )
    return message

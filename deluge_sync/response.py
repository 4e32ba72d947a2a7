"""What the user gets for one prompt: plain data that looks nothing up and computes no price.

The engine fills it in once, when the prompt is finished; `postprocess`, caches and the journal read and store it.
Nothing here imports pydantic, so that a result file can be read cheaply; only `from_dict` loads the settings' class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation
from deluge_sync.prompt.dialects import log as log_dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from deluge_sync.config import SamplingParams
    from deluge_sync.prompt import Message, ToolCall

__all__ = ["APIResponse", "Round", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the provider counted them. The first four counts do not overlap.

    Attributes:
        input_tokens: fresh input only; what was read from or written to the provider's prompt cache is counted apart.
        output_tokens: the answer, reasoning included.
        cache_write_1h_tokens: the part of cache_write_tokens that is kept for an hour, which has a price of its own.
        reasoning_tokens: the part of output_tokens that was reasoning; 0 also where the provider does not tell.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """All tokens, each counted once."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def has_cache_hit(self) -> bool:
        """The provider read at least one token from its prompt cache."""
        return self.cache_read_tokens > 0

    def __add__(self, other: Usage) -> Usage:
        """The sum of both; add many with `sum(usages, Usage(0, 0))`."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Round:
    """One request of an agent loop and its answer. The fields are those of the answer's `APIResponse`."""

    model_internal: str
    is_error: bool
    usage: Usage | None
    cost: float | None
    finish_reason: str | None
    attempts: int
    latency_s: float | None

    @classmethod
    def of(cls, response: APIResponse) -> Round:
        """What is kept of a round's answer."""
        return cls(
            model_internal=response.model_internal,
            is_error=bool(response.is_error),
            usage=response.usage,
            cost=response.cost,
            finish_reason=response.finish_reason,
            attempts=response.attempts,
            latency_s=response.latency_s,
        )


@dataclass(slots=True)
class APIResponse:
    """The answer to one prompt, or why there is none. Not for use by two threads while one of them changes it.

    Attributes:
        id: the prompt's number in its run.
        model_internal: our registry id.
        model_external: the name that the provider answered with.
        status_code: of the last HTTP reply; None when none came.
        is_error: the prompt failed, which is told here and never raised.
        error_kind: why, in a word to act on.
        error_message: why, in a sentence to read.
        usage: None when the provider told nothing.
        content: the assistant's message; may be there on an error too, when part of an answer came.
        cost: US dollars, of every reply that was billed: those included that were tried again, whose tokens are not in
            `usage`. None when a price is unknown, which is not the same as 0, and when nothing was billed.
        cache_hit: the provider's prompt cache had a part of the prompt.
        local_cache_hit: the answer is from the client's own cache, so nothing was sent or paid.
        attempts: HTTP requests sent for it.
        latency_s: seconds from the first of them to the end of the last.
        parsed: with an `output_schema` the answer as an instance of its class, or as a JSON value; None where it does
            not fit. `to_dict` stores its JSON value.
        rounds: of an agent loop one entry for each request, in their order; usage, cost, attempts and latency_s are
            then those of the whole loop. Empty for a single prompt.
    """

    id: int
    model_internal: str
    prompt: Conversation
    sampling_params: SamplingParams
    status_code: int | None
    is_error: bool | None
    error_message: str | None
    usage: Usage | None = None
    content: Message | None = None
    thinking: str | None = None
    model_external: str | None = None
    region: str | None = None
    logprobs: list[Any] | None = None
    finish_reason: str | None = None
    cost: float | None = None
    cache_hit: bool = False
    local_cache_hit: bool = False
    retry_with_different_model: bool | None = False
    give_up_if_no_other_models: bool | None = False
    response_id: str | None = None
    raw_response: dict[str, Any] | None = None
    error_kind: str | None = None
    attempts: int = 0
    latency_s: float | None = None
    parsed: Any = None
    rounds: tuple[Round, ...] = ()

    @property
    def completion(self) -> str | None:
        """The first text of the answer, or None."""
        return self.content.completion if self.content is not None else None

    @property
    def text(self) -> str:
        """All texts of the answer in a row; empty when there are none."""
        return self.content.text if self.content is not None else ""

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls of the answer, in the model's order."""
        return self.content.tool_calls if self.content is not None else []

    @property
    def input_tokens(self) -> int | None:
        """Fresh input tokens; None without usage."""
        return self.usage.input_tokens if self.usage is not None else None

    @property
    def output_tokens(self) -> int | None:
        """Tokens of the answer, reasoning included; None without usage."""
        return self.usage.output_tokens if self.usage is not None else None

    @property
    def cache_read_tokens(self) -> int | None:
        """Tokens read from the provider's prompt cache; None without usage."""
        return self.usage.cache_read_tokens if self.usage is not None else None

    @property
    def cache_write_tokens(self) -> int | None:
        """Tokens written to the provider's prompt cache; None without usage."""
        return self.usage.cache_write_tokens if self.usage is not None else None

    def to_dict(self, *, keep_media: bool = False) -> dict[str, Any]:
        """Every field as JSON-ready values; `from_dict` makes an equal response of it but for the class of `parsed`.

        An image or file is only named, unless `keep_media` asks for its content: a million stored answers need not
        hold as many copies of what was asked about.
        """
        media: Literal["content", "placeholder"] = "content" if keep_media else "placeholder"
        plain: dict[str, Any] = {name: getattr(self, name) for name in _FIELD_NAMES}
        plain["prompt"] = self.prompt.to_log(media=media)
        plain["sampling_params"] = self.sampling_params.model_dump(mode="json")
        plain["usage"] = asdict(self.usage) if self.usage is not None else None
        plain["rounds"] = [asdict(each) for each in self.rounds]
        plain["content"] = log_dialect.dump_message(self.content, media=media) if self.content is not None else None
        if hasattr(self.parsed, "model_dump"):
            plain["parsed"] = self.parsed.model_dump(mode="json")
        return plain

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> APIResponse:
        """The response that `to_dict` stored, its cost as it was. Fields of a later version are passed over.

        Raises:
            ConfigError: a field without default is missing, or one cannot be read; the message names it.
        """
        missing = [name for name in _REQUIRED if name not in stored]
        if missing:
            raise ConfigError(f"not a stored response: it lacks {', '.join(missing)}")
        known = {name: value for name, value in stored.items() if name in _KNOWN}
        for name, reader in _READERS.items():
            if known.get(name) is not None:
                known[name] = _read(name, reader, known[name])
        return cls(**known)


_FIELD_NAMES = tuple(field.name for field in fields(APIResponse))
_REQUIRED = _FIELD_NAMES[:7]
_KNOWN = frozenset(_FIELD_NAMES)


def _read(name: str, reader: Callable[[Any], Any], value: Any) -> Any:
    try:
        return reader(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"not a stored response: {name} cannot be read ({error})") from error


def _read_sampling_params(stored: Mapping[str, Any]) -> SamplingParams:
    from deluge_sync.config import SamplingParams  # imports pydantic, which plain reading of results does not need

    return SamplingParams(**stored)


def _read_usage(stored: Mapping[str, Any]) -> Usage:
    return Usage(**{name: stored[name] for name in _USAGE_FIELDS if name in stored})


def _read_rounds(stored: Iterable[Mapping[str, Any]]) -> tuple[Round, ...]:
    return tuple(_read_round(each) for each in stored)


def _read_round(stored: Mapping[str, Any]) -> Round:
    known = {field.name: stored[field.name] for field in fields(Round)}
    usage = known["usage"]
    return Round(**{**known, "usage": None if usage is None else _read_usage(usage)})


_USAGE_FIELDS = tuple(field.name for field in fields(Usage))
_READERS: dict[str, Callable[[Any], Any]] = {
    "prompt": Conversation.from_log,
    "sampling_params": _read_sampling_params,
    "usage": _read_usage,
    "content": log_dialect.load_message,
    "rounds": _read_rounds,
}

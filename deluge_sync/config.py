"""What a user configures about one model call. Knows no client, no model and no wire format.

`LLMClient` makes one `SamplingParams` per model out of its own arguments, or takes the ones it is given; an adapter
reads them when it builds a request. Whether a model takes a parameter at all is the registry's business.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from deluge_sync.errors import ConfigError

__all__ = ["ReasoningEffort", "SamplingParams"]

ReasoningEffort = Literal["low", "medium", "high", "minimal", "none"]
NonEmpty = Annotated[str, Field(min_length=1)]


def _as_tuple(stop: object) -> object:
    """One stop text or a list of them, as a value that can be hashed."""
    return (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, list) else stop


class SamplingParams(BaseModel):
    """How a model shall answer: a checked, unchangeable value.

    It is frozen because workers read it while other prompts run and caches use it as a key: a field set half-way
    would answer some prompts with the old value under the new one's name. `replace` gives a changed copy. Equal
    content is equal and has the same hash.

    Attributes:
        temperature: 0 or more; 0 is as repeatable as the model can be.
        top_p: above 0, at most 1.
        json_mode: ask for one JSON object as the answer.
        max_new_tokens: upper bound of the answer, reasoning included.
        reasoning_effort: how much the model shall reason before it answers; None leaves it to the model.
        thinking_budget: the same in tokens, 0 for none. Where both are set, a model takes the one its provider asks
            for.
        logprobs: ask for log-probabilities of the answer's tokens.
        top_logprobs: ask for those of up to 20 alternatives at each token too.
        seed: makes answers repeatable as far as the provider can.
        stop: up to four strings that end the answer, not part of it.
        strict_tools: ask the provider to hold tool arguments to their schema where it can.

    Raises:
        ConfigError: a field is unknown or its value cannot work; the message names it and its value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    json_mode: bool = False
    max_new_tokens: Annotated[int, Field(gt=0)] = 2_048
    reasoning_effort: ReasoningEffort | None = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    strict_tools: bool = True
    thinking_budget: Annotated[int, Field(ge=0)] | None = None
    seed: int | None = None
    stop: Annotated[tuple[NonEmpty, ...], Field(min_length=1, max_length=4), BeforeValidator(_as_tuple)] | None = None

    if not TYPE_CHECKING:  # type checkers see the fields as arguments; this only turns pydantic's error into ours

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ConfigError(_describe(error)) from error

    @model_validator(mode="after")
    def _alternatives_need_logprobs(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs=True")
        return self

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed, checked like a new one (`model_copy(update=...)` checks nothing)."""
        return type(self)(**{**self.model_dump(), **changes})

    def to_vllm(self) -> Any:
        """The same as a `vllm.SamplingParams`, for offline use of that package.

        `json_mode` becomes guided decoding to any JSON object. What belongs to hosted models alone (`reasoning_effort`,
        `thinking_budget`, `strict_tools`) is left out.

        Raises:
            ConfigError: vllm is not installed.
        """
        try:
            vllm = import_module("vllm.sampling_params")  # a large package, and only here
        except ImportError as error:
            raise ConfigError("SamplingParams.to_vllm() needs the package vllm: pip install vllm") from error
        guided = {"structured_outputs": vllm.StructuredOutputsParams(json_object=True)} if self.json_mode else {}
        return vllm.SamplingParams(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_new_tokens,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            seed=self.seed,
            stop=list(self.stop) if self.stop else None,
            **guided,
        )


def _describe(error: ValidationError) -> str:
    """Every complaint in one line: `max_new_tokens=0: input should be greater than 0; ...`."""
    return "; ".join(_complaint(item["loc"], item["input"], item["msg"]) for item in error.errors())


def _complaint(location: tuple[int | str, ...], value: object, message: str) -> str:
    text = message.removeprefix("Value error, ")
    text = text[:1].lower() + text[1:]
    return f"{location[0]}={value!r}: {text}" if location else text

"""What prompts will need before any is sent: tokens and money, for each model. Sends nothing and fetches nothing.

The client's `estimate_sync` makes an `Estimation` of its prompts; `forecast` has the rules for a single request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync._adapters.call import Call
from deluge_sync._engine.forecast import longest_answer, tokens_beside
from deluge_sync.errors import ConfigError
from deluge_sync.models.pricing import cost_usd, highest_cost_usd
from deluge_sync.prompt import Conversation, to_conversation
from deluge_sync.response import Usage

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Extras
    from deluge_sync.config import SamplingParams
    from deluge_sync.models import Model

__all__ = ["Estimate", "Estimation", "ModelEstimate"]


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """What all prompts together need if this model answers every one of them.

    Attributes:
        input_tokens: what is sent, estimated to about a tenth.
        max_output_tokens: the longest answers there may be.
        low_usd: without any answer; the provider's prompt cache may make it less.
        high_usd: with the longest answers. Both are None where a price is unknown. Retries are not foreseen, nor what a
            provider's own tools cost.
    """

    model: str
    input_tokens: int
    max_output_tokens: int
    low_usd: float | None
    high_usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What prompts need. `models` has an entry for each model of the client, in their order.

    Attributes:
        prompts: how many can be sent.
        unreadable: how many cannot be read, and would become error responses.
    """

    prompts: int
    unreadable: int
    models: tuple[ModelEstimate, ...]

    @property
    def low_usd(self) -> float | None:
        """The least it costs, whichever models answer; None where a price is unknown."""
        known = [model.low_usd for model in self.models if model.low_usd is not None]
        return min(known) if len(known) == len(self.models) else None

    @property
    def high_usd(self) -> float | None:
        """The most it costs, whichever models answer; None where a price is unknown."""
        known = [model.high_usd for model in self.models if model.high_usd is not None]
        return max(known) if len(known) == len(self.models) else None


class Estimation:
    """Counts prompts through. `run` once, in one thread; `stop` from any."""

    def __init__(self, prompts: Iterable[Any], pool: Sequence[tuple[Model, SamplingParams]], extras: Extras) -> None:
        self._prompts = prompts
        self._pool = pool
        self._extras = extras
        self._is_stopped = False

    def run(self) -> Estimate:
        """What the prompts need; up to where it was stopped."""
        tokens = {model.api_spec: 0 for model, _ in self._pool}
        readable = unreadable = 0
        for prompt in self._prompts:
            if self._is_stopped:
                break
            try:
                conversation = to_conversation(prompt)
            except ConfigError:
                unreadable += 1
                continue
            readable += 1
            for api_spec in tokens:
                tokens[api_spec] += conversation.estimate_tokens(media_rule=api_spec)
        beside = readable * tokens_beside(self._extras)
        models = [self._of(model, params, readable, tokens[model.api_spec] + beside) for model, params in self._pool]
        return Estimate(readable, unreadable, tuple(models))

    def stop(self) -> None:
        """Read no more prompts."""
        self._is_stopped = True

    def _of(self, model: Model, params: SamplingParams, prompts: int, input_tokens: int) -> ModelEstimate:
        extras = self._extras
        output_tokens = prompts * longest_answer(Call(Conversation(), model, params, "", None, extras))
        return ModelEstimate(
            model=model.id,
            input_tokens=input_tokens,
            max_output_tokens=output_tokens,
            low_usd=cost_usd(model, Usage(input_tokens, 0), service_tier=extras.service_tier),
            high_usd=highest_cost_usd(
                model,
                input_tokens,
                output_tokens,
                service_tier=extras.service_tier,
                is_cached=extras.cache_pattern is not None,
            ),
        )

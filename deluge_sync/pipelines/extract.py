"""Structured data out of texts, images, files and conversations, as instances of a pydantic class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from deluge_sync.client import LLMClient, settings
from deluge_sync.errors import ConfigError, Interrupted, UnknownModelError
from deluge_sync.models import get_model
from deluge_sync.pipelines.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from deluge_sync.pipelines.extracted import Extracted
    from deluge_sync.prompt import File, Image, Prompt

__all__ = ["extract", "extract_async"]

M = TypeVar("M", bound="BaseModel")


@overload
def extract(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: type[M],
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[M]: ...
@overload
def extract(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: Mapping[str, Any],
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[Any]: ...
def extract(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: Any,
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[Any]:
    """Take what the schema describes out of each input, and wait for it. One value per input, in the inputs' order.

    Models are held to the schema where the provider can do that; if one of the client's models cannot, the schema is
    told in the prompts instead. Every answer is validated. One that does not fit is asked for again, with the model's
    answer and what is wrong with it. An input that fails has None in its place, and the reason in `errors`.

    Args:
        inputs: texts, `Image`s and `File`s, which get a prompt; or conversations, which are sent as they are. One
            input is as good as a list of one.
        schema: a pydantic model class, of which the values are instances; or a JSON Schema, then they are JSON values,
            checked for the keywords that are common in schemas for models.
        instructions: what to add to the prompt, such as what to do in doubt. Conversations are left as they are.
        corrections: how often a wrong answer is asked for again; each costs another request with the whole prompt.
        show_progress, cache, service_tier, prefer_model: as in `process_prompts_sync`.
        max_cost: US dollars for all requests of this call together.

    Raises:
        ConfigError, MissingKeyError: before anything is sent.
        Interrupted: Ctrl-C. Its `responses` are the latest answers, one per input; None where none had arrived.
    """
    rounds = _rounds(inputs, schema, client, instructions=instructions, corrections=corrections)
    how: dict[str, Any] = {
        "cache": cache,
        "service_tier": service_tier,
        "prefer_model": prefer_model,
        "show_progress": show_progress,
    }
    while (prompts := rounds.due()) and (asking := _asking(rounds, max_cost)) is not None:
        try:
            rounds.take(client.process_prompts_sync(prompts, **asking, **how))
        except Interrupted as stopped:
            raise Interrupted(rounds.so_far(stopped.responses)) from None
    return rounds.result()


@overload
async def extract_async(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: type[M],
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[M]: ...
@overload
async def extract_async(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: Mapping[str, Any],
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[Any]: ...
async def extract_async(
    inputs: Iterable[Prompt | Image | File] | Prompt | Image | File,
    schema: Any,
    client: LLMClient,
    *,
    instructions: str | None = None,
    corrections: int = 1,
    show_progress: bool = True,
    cache: str | None = None,
    service_tier: str | None = None,
    prefer_model: str | None = None,
    max_cost: float | None = None,
) -> Extracted[Any]:
    """Like `extract`. Cancelling the awaiting task cancels the prompts that have no answer yet."""
    rounds = _rounds(inputs, schema, client, instructions=instructions, corrections=corrections)
    how: dict[str, Any] = {
        "cache": cache,
        "service_tier": service_tier,
        "prefer_model": prefer_model,
        "show_progress": show_progress,
    }
    while (prompts := rounds.due()) and (asking := _asking(rounds, max_cost)) is not None:
        rounds.take(await client.process_prompts_async(prompts, **asking, **how))
    return rounds.result()


def _rounds(inputs: Any, schema: Any, client: Any, *, instructions: str | None, corrections: Any) -> Rounds:
    if not isinstance(client, LLMClient):
        raise ConfigError(f"client must be an LLMClient; got a {type(client).__name__}")
    settings.check_type("instructions", instructions, str)
    if not isinstance(corrections, int) or isinstance(corrections, bool) or corrections < 0:
        raise ConfigError(f"corrections must be a whole number of 0 or more; got {corrections!r:.80}")
    tells_schema = not all(map(_supports_schema, client.models))
    return Rounds(inputs, schema, instructions=instructions, corrections=corrections, tells_schema=tells_schema)


def _supports_schema(model_name: str) -> bool:
    """A model that nobody registered is taken to be able, as everywhere."""
    try:
        return get_model(model_name).supports_schema
    except UnknownModelError:
        return True


def _asking(rounds: Rounds, max_cost: float | None) -> dict[str, Any] | None:
    """What the next round is asked with; None where nothing is left to spend on it."""
    if max_cost is None or not rounds.cost:
        left = max_cost
    elif (left := max_cost - rounds.cost) <= 0:
        return None
    return {"output_schema": rounds.held_to, "max_cost": left}

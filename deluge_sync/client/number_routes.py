"""From the name of a model for texts to the route of its requests: the registry's entry, the format, place and key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

from deluge_sync._engine.pool import Route
from deluge_sync.client.routes import Limiters, find_place
from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError, UnknownModelError
from deluge_sync.models import Model, get_model, registry
from deluge_sync.models.model import refuse_bad_url

if TYPE_CHECKING:
    from deluge_sync._adapters.embeddings.inputs import Limits
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._secret import Secret

__all__ = ["NumberMode", "find_number_model", "limits_of", "make_number_route"]

NumberMode = Literal["embedding", "rerank"]

# By what is asked for, and the vendor where it has a format of its own, else the format it speaks. Loaded when used.
_FORMATS: Final[Mapping[tuple[str, str], str]] = {
    ("embedding", "cohere"): "cohere",
    ("embedding", "perplexity"): "perplexity",
    ("embedding", "openai"): "openai",
    ("embedding", "gemini"): "gemini",
    ("embedding", "mistral"): "mistral",
    ("rerank", "openai"): "rerank",
}
# Nothing is written by these models, and nothing is sampled; a limiter is asked for the least there is.
_PARAMS: Final = SamplingParams(max_new_tokens=1)


def find_number_model(name: Any, mode: NumberMode, *, base_url: str | None) -> Model:
    """The registry's entry for `name`. One that nobody registered is taken to be of `mode`, where a place is known.

    Raises:
        UnknownModelError: there is no such model.
        ConfigError: it is for something else, or its format has no such endpoint.
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"model must be the name of a model; got {name!r:.80}")
    model = _find(name, mode, base_url)
    if model.mode != mode:
        raise ConfigError(
            f"model {model.id!r} is for {model.mode}, not for {mode} (find_models(mode={mode!r}) has some)"
        )
    _format_name(model)
    return model


def _find(name: str, mode: NumberMode, base_url: str | None) -> Model:
    if base_url is not None:
        refuse_bad_url("base_url", base_url)
    try:
        model = get_model(name)
    except UnknownModelError:
        if base_url is None:
            raise
        return replace(Model.for_base_url(name, base_url, api_key_env_var="OPENAI_API_KEY"), mode=mode)
    return model if model.id in registry else replace(model, mode=mode)


def make_number_route(
    model: Model,
    *,
    base_url: str | None,
    api_key: Secret | None,
    env: Mapping[str, str],
    limiters: Limiters,
    limiter_for_key: Callable[[], LeakyBucketLimiter],
) -> Route:
    """The way to the model's numbers, with the limiter of its key.

    Raises:
        MissingKeyError: the model needs a key and the environment has none.
        ConfigError: what the environment has is no key, or no URL.
    """
    url, key, limiter = find_place(
        model, base_url=base_url, api_key=api_key, env=env, limiters=limiters, limiter_for_key=limiter_for_key
    )
    return Route(model, _PARAMS, _format_of(model), url, key, limiter)


def limits_of(model: Model) -> Limits:
    """What one request may hold in the model's format."""
    limits: Limits = _format_of(model).LIMITS
    return limits


def _format_of(model: Model) -> Any:
    return import_module(f"deluge_sync._adapters.embeddings.{_format_name(model)}")


def _format_name(model: Model) -> str:
    found = _FORMATS.get((model.mode, model.provider)) or _FORMATS.get((model.mode, model.api_spec))
    if found is None:
        raise ConfigError(f"model {model.id!r}: the format {model.api_spec!r} has no known endpoint for {model.mode}")
    return found

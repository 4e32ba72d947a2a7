"""From model names to routes: the registry's entry, the place it is reached at, the key, and that key's limiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from deluge_sync._engine.pool import Route
from deluge_sync.client.settings import key_of
from deluge_sync.errors import ConfigError, MissingKeyError, UnknownModelError
from deluge_sync.models import Model, get_model
from deluge_sync.models.model import ApiSpec, refuse_bad_url
from deluge_sync.models.place import base_url_of, key_variable_of

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Adapter
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._secret import Secret
    from deluge_sync.config import SamplingParams

__all__ = ["ADAPTERS", "Limiters", "find_models", "find_place", "make_routes"]

Limiters: TypeAlias = "dict[tuple[str, Secret | None], LeakyBucketLimiter]"

# One module per wire format, loaded with the first model that speaks it: the generated models behind it are large.
ADAPTERS: Final[Mapping[ApiSpec, str]] = {
    "openai": "deluge_sync._adapters.openai_chat",
    "openai-responses": "deluge_sync._adapters.openai_responses",
    "anthropic": "deluge_sync._adapters.anthropic",
    "gemini": "deluge_sync._adapters.gemini",
    "mistral": "deluge_sync._adapters.mistral",
    "bedrock": "deluge_sync._adapters.bedrock",
}


def find_models(names: Sequence[str], *, base_url: str | None, use_responses_api: bool = False) -> list[Model]:
    """The registry's entry of each name. With `base_url` a name that is not registered is taken as it is.

    use_responses_api: each as it is asked through the Responses API.

    Raises:
        UnknownModelError: there is no such model.
        ConfigError: `base_url` is none, a model answers no prompts, or it has no Responses API.
    """
    if base_url is not None:
        refuse_bad_url("base_url", base_url)
    models = [_find(name, base_url) for name in names]
    for model in models:
        if model.mode != "chat":
            raise ConfigError(f"model {model.id!r} is for {model.mode}: it answers no prompts")
    return [_through_responses(model) for model in models] if use_responses_api else models


def _through_responses(model: Model) -> Model:
    if model.api_spec == "openai-responses":
        return model
    if model.api_spec != "openai" or not model.supports_responses:
        raise ConfigError(
            f"use_responses_api=True: model {model.id!r} has no Responses API "
            "(register_model(..., supports_responses=True) if it has)"
        )
    return replace(model, api_spec="openai-responses")


def _find(name: str, base_url: str | None) -> Model:
    try:
        return get_model(name)
    except UnknownModelError:
        if base_url is None:
            raise
        return Model.for_base_url(name, base_url, api_key_env_var="OPENAI_API_KEY")


def make_routes(
    models: Sequence[Model],
    params: Sequence[SamplingParams],
    *,
    base_url: str | None,
    api_key: Secret | None,
    env: Mapping[str, str],
    limiter_for_key: Callable[[], LeakyBucketLimiter],
    limiters: Limiters | None = None,
) -> list[Route]:
    """One route a model. Models that are reached with the same key at the same place share a limiter.

    limiters: those that there are already, to which new ones are added.

    An `api_key` that is empty text means that none is sent, wherever the models are from.

    Raises:
        MissingKeyError: a model needs a key and the environment has none.
        ConfigError: what the environment has is no key, or no URL.
    """
    limiters = {} if limiters is None else limiters
    routes = []
    for model, model_params in zip(models, params, strict=True):
        url, key, limiter = find_place(
            model, base_url=base_url, api_key=api_key, env=env, limiters=limiters, limiter_for_key=limiter_for_key
        )
        adapter = cast("Adapter", import_module(ADAPTERS[model.api_spec]))
        routes.append(Route(model, model_params, adapter, url, key, limiter))
    return routes


def find_place(
    model: Model,
    *,
    base_url: str | None,
    api_key: Secret | None,
    env: Mapping[str, str],
    limiters: Limiters,
    limiter_for_key: Callable[[], LeakyBucketLimiter],
) -> tuple[str, Secret | None, LeakyBucketLimiter]:
    """Where a model is reached, with which key, and the limiter that this key shares. Raises as `make_routes`."""
    url = base_url.rstrip("/") if base_url else base_url_of(model, env)
    key = _key(model, api_key, env)
    return url, key, limiters.get((url, key)) or limiters.setdefault((url, key), limiter_for_key())


def _key(model: Model, given: Secret | None, env: Mapping[str, str]) -> Secret | None:
    """The key for a model; None where it can do without, or where the user said so with an empty one."""
    if given is not None:
        return given if given.reveal() else None
    variable = key_variable_of(model, env)
    if variable is None:
        return None
    key = key_of(variable, env.get(variable, ""))
    if key.reveal():
        return key
    if model.key_is_optional:
        return None
    raise MissingKeyError(model.id, variable)

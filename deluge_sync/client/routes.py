"""From model names to routes: the registry's entry, the place it is reached at, the key, and that key's limiter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

from deluge_sync._engine.pool import Route
from deluge_sync.client.settings import key_of
from deluge_sync.errors import ConfigError, MissingKeyError, UnknownModelError
from deluge_sync.models import Model, get_model
from deluge_sync.models.model import refuse_bad_url

if TYPE_CHECKING:
    from deluge_sync._adapters.call import Adapter
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._secret import Secret
    from deluge_sync.config import SamplingParams

__all__ = ["find_models", "make_routes"]

# One module per wire format, loaded with the first model that speaks it: the generated models behind it are large.
_ADAPTERS = {"openai": "deluge_sync._adapters.openai_chat"}


def find_models(names: Sequence[str], *, base_url: str | None) -> list[Model]:
    """The registry's entry of each name. With `base_url` a name that is not registered is taken as it is.

    Raises:
        UnknownModelError: there is no such model.
        ConfigError: `base_url` is none, or this version does not speak the model's API.
    """
    if base_url is not None:
        refuse_bad_url("base_url", base_url)
    models = [_find(name, base_url) for name in names]
    for model in models:
        if model.api_spec not in _ADAPTERS:
            spoken = ", ".join(_ADAPTERS)
            raise ConfigError(f"model {model.id!r} speaks the API {model.api_spec!r}; this version speaks {spoken}")
    return models


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
) -> list[Route]:
    """One route a model. Models that are reached with the same key at the same place share a limiter.

    An `api_key` that is empty text means that none is sent, wherever the models are from.

    Raises:
        MissingKeyError: a model needs a key and the environment has none.
        ConfigError: what the environment has is no key, or no URL.
    """
    limiters: dict[tuple[str, Secret | None], LeakyBucketLimiter] = {}
    routes = []
    for model, model_params in zip(models, params, strict=True):
        url = (base_url or _url_from_env(model, env) or model.api_base).rstrip("/")
        key = _key(model, api_key, env)
        limiter = limiters.get((url, key)) or limiters.setdefault((url, key), limiter_for_key())
        adapter = cast("Adapter", import_module(_ADAPTERS[model.api_spec]))
        routes.append(Route(model, model_params, adapter, url, key, limiter))
    return routes


def _key(model: Model, given: Secret | None, env: Mapping[str, str]) -> Secret | None:
    """The key for a model; None where it needs none, or where the user said so with an empty one."""
    if given is not None:
        return given if given.reveal() else None
    if model.api_key_env_var is None:
        return None
    key = key_of(model.api_key_env_var, env.get(model.api_key_env_var, ""))
    if not key.reveal():
        raise MissingKeyError(model.id, model.api_key_env_var)
    return key


def _url_from_env(model: Model, env: Mapping[str, str]) -> str | None:
    """What the environment puts in the place of the vendor's URL; blanks and an empty value are as good as none."""
    name = model.base_url_env_var
    url = env.get(name, "").strip() if name is not None else ""
    if url:
        refuse_bad_url(f"the environment variable {name}", url)
    return url or None

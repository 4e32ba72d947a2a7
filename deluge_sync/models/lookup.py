"""Which models there are, by name: the catalogue that comes with the package, and what the user registered.

The catalogue is read at the first look-up, never at import. Callers: the client, the CLI, the cost of a response.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ConfigError, UnknownModelError
from deluge_sync.models.model import Model

__all__ = ["Registry", "get_model", "register_model", "registry"]


class Registry(Mapping[str, Model]):
    """Models by id; an alias finds its model too, but iteration and length count each model once.

    For use by many threads. `_lock` guards loading and registering. A look-up takes no lock once the catalogue is
    there: the two dicts only ever grow, one assignment at a time.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model] | None = None
        self._aliases: dict[str, str] = {}
        self._start_afresh()
        start_afresh_in_child(self)

    __hash__ = object.__hash__  # Mapping takes it away; there is one registry, and the fork hook keeps it in a set

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Model:
        models = self._loaded()
        return models[self._aliases.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._loaded()))

    def __len__(self) -> int:
        return len(self._loaded())

    def register(self, model: Model, aliases: Iterable[str] = ()) -> None:
        """Add the model, or put it in the place of the one with its id. It hides an alias of the same name.

        Raises:
            ConfigError: an alias is the id of another model; nothing was registered.
        """
        models, aliases = self._loaded(), list(aliases)
        with self._lock:
            taken = [alias for alias in aliases if alias in models or alias == model.id]
            if taken:
                raise ConfigError(f"alias {taken[0]!r} of model {model.id!r} is the id of a model")
            models[model.id] = model
            self._aliases.pop(model.id, None)
            self._aliases.update(dict.fromkeys(aliases, model.id))

    def _loaded(self) -> dict[str, Model]:
        if self._models is not None:
            return self._models
        with self._lock:
            if self._models is None:
                from deluge_sync.models.catalogue import load  # reads files: only at the first look-up

                self._models = load()
            return self._models


registry: Final = Registry()


def get_model(name: str) -> Model:
    """The registered model of this id or alias.

    Raises:
        UnknownModelError: there is none; it suggests up to three of the nearest names.
    """
    model = registry.get(name)
    if model is None:
        raise UnknownModelError(name, difflib.get_close_matches(str(name), list(registry), n=3, cutoff=0.6))
    return model


def register_model(
    id: str,  # noqa: A002  (the public name)
    name: str,
    api_base: str,
    api_key_env_var: str | None,
    api_spec: str = "openai",
    input_cost: float | None = None,
    output_cost: float | None = None,
    supports_json: bool = False,
    supports_logprobs: bool = False,
    supports_responses: bool = False,
    reasoning_model: bool = False,
    *,
    aliases: Iterable[str] = (),
    **more: Any,
) -> Model:
    """Register a model, for every client of this process, and return it.

    id is our name for it, name the vendor's. api_key_env_var is None where no key is needed; there is no default, so
    that no vendor is sent another one's key. more: the other fields of `Model`; costs are US dollars per million
    tokens. Left out, what belongs to the vendor is as with the models already known at this `api_base`, and a
    reasoning model is taken to refuse temperature and top_p.

    Raises:
        ConfigError: a value cannot work; the message names it.
    """
    given = {
        "api_spec": api_spec,
        "input_cost": input_cost,
        "output_cost": output_cost,
        "supports_json": supports_json,
        "supports_logprobs": supports_logprobs,
        "supports_responses": supports_responses,
        "reasoning_model": reasoning_model,
        "accepts_sampling": not reasoning_model,
    }
    model = _model(id, name, api_base, api_key_env_var, _vendor_facts(api_base) | given | more)
    registry.register(model, aliases)
    return model


def _vendor_facts(api_base: str) -> dict[str, Any]:
    """What the other models of this vendor say of it; for a vendor we do not know, its host is its name."""
    base = str(api_base).rstrip("/")
    sibling = next((model for model in registry.values() if model.api_base == base), None)
    if sibling is None:
        return {"provider": base.rpartition("://")[2].partition("/")[0] or "unknown"}
    return {name: getattr(sibling, name) for name in ("provider", "base_url_env_var", "max_tokens_field")}


def _model(model_id: str, name: str, api_base: str, api_key_env_var: str | None, rest: dict[str, Any]) -> Model:
    unknown = sorted(rest.keys() - _FIELDS)
    if unknown:
        raise ConfigError(f"model {model_id!r}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    return Model(id=model_id, name=name, api_base=api_base, api_key_env_var=api_key_env_var, **rest)


_FIELDS: Final = frozenset(Model.__dataclass_fields__) - {"id", "name", "api_base", "api_key_env_var"}

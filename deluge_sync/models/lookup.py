"""Which models there are, by name: the catalogue that comes with the package, and what the user registered.

The catalogue is read at the first look-up, never at import. Callers: the client, the CLI, the cost of a response.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ConfigError, UnknownModelError
from deluge_sync.models.model import TAKEN_TO_BE_ABLE, Model

if TYPE_CHECKING:
    from deluge_sync.models.catalogue import Row

__all__ = ["Registry", "get_model", "register_model", "registry"]


class Registry(Mapping[str, Model]):
    """Models by id; an alias finds its model too, but iteration and length count each model once.

    For use by many threads. `_lock` guards loading, registering, and making a model of a catalogue's row, which is done
    when it is first asked for. A look-up of what is there takes no lock: the dicts only ever grow, one assignment at a
    time.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model | Row] | None = None
        self._aliases: dict[str, str] = {}
        self._prefixes: Mapping[str, Mapping[str, Any]] = {}
        self._start_afresh()
        start_afresh_in_child(self)

    __hash__ = object.__hash__  # Mapping takes it away; there is one registry, and the fork hook keeps it in a set

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Model:
        models = self._loaded()
        model_id = self._aliases.get(name, name)
        found = models[model_id]
        return found if isinstance(found, Model) else self._made(model_id)

    def __contains__(self, name: object) -> bool:
        return name in self._loaded() or name in self._aliases

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

    def prefixed(self, name: str) -> Model | None:
        """The model meant by `vendor:name`: the vendor's registered one of that name, or one that nobody registered.

        None if there is no such prefix. The latter's price is unknown, and it is taken to be able to do what the
        vendor's format can say.
        """
        self._loaded()
        prefix, _, vendor_s_name = name.partition(":")
        fields = self._prefixes.get(prefix)
        if fields is None or not vendor_s_name.strip():
            return None
        known = self.get(vendor_s_name)
        if known is not None and known.provider == fields["provider"]:
            return known
        from deluge_sync.models.catalogue import model_of  # loaded with the catalogue

        return model_of(name, {**TAKEN_TO_BE_ABLE, **fields, "name": vendor_s_name})

    def at(self, api_base: str) -> Model | None:
        """Some model that is reached there, for what it says of its vendor."""
        models = self._loaded()
        entries = list(models.items())  # another thread may register one meanwhile
        model_id = next((model_id for model_id, entry in entries if _base_of(entry) == api_base), None)
        if model_id is not None:
            return self[model_id]
        # A place without a key is this machine, where anything may be running.
        prefixes = (prefix for prefix, fields in self._prefixes.items() if fields.get("api_key_env_var"))
        prefix = next((prefix for prefix in prefixes if self._prefixes[prefix]["api_base"] == api_base), None)
        return None if prefix is None else self.prefixed(f"{prefix}:x")

    def near(self, name: str) -> list[str]:
        """Up to three names that look like `name`, each of another model: first those it lacks only the vendor of."""
        ids = list(self._loaded())
        names = {known.lower(): known for known in [*list(self._aliases), *ids]}
        wanted = str(name).lower()
        similar = [key for key in names if key.partition(":")[2] == wanted]
        from difflib import get_close_matches  # for mistakes only

        similar += get_close_matches(wanted, names, n=12, cutoff=0.6)
        by_model: dict[str, str] = {}
        for known in (names[key] for key in similar):
            by_model.setdefault(self._aliases.get(known, known), known)
        return list(by_model.values())[:3]

    def _made(self, model_id: str) -> Model:
        models = self._loaded()
        with self._lock:
            entry = models[model_id]
            if not isinstance(entry, Model):
                entry = models[model_id] = entry.model()
            return entry

    def _loaded(self) -> dict[str, Model | Row]:
        if self._models is not None:
            return self._models
        with self._lock:
            if self._models is None:
                from deluge_sync.models.catalogue import load  # reads files: only at the first look-up

                catalogue = load()
                self._aliases, self._prefixes = dict(catalogue.aliases), catalogue.prefixes
                self._models = dict(catalogue.rows)
            return self._models


def _base_of(entry: Model | Row) -> str:
    return entry.api_base if isinstance(entry, Model) else str(entry.vendor["api_base"])


registry: Final = Registry()


def get_model(name: str) -> Model:
    """The model of this id, alias, or `vendor:name`, which needs no registration (`openrouter:x/y`, `ollama:x`).

    Raises:
        UnknownModelError: there is none; it suggests up to three of the nearest names.
    """
    model = registry.get(name) or registry.prefixed(str(name))
    if model is None:
        raise UnknownModelError(name, registry.near(name))
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
    reasoning model is taken to refuse temperature and top_p, and to be told by a word how much to reason.

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
        "reasoning_control": "effort" if reasoning_model else None,
    }
    model = _model(id, name, api_base, api_key_env_var, _vendor_facts(api_base, api_key_env_var) | given | more)
    registry.register(model, aliases)
    return model


_OF_THE_VENDOR: Final = (
    "provider",
    "key_header",
    "base_url_env_var",
    "base_url_env_path",
    "base_url_env_port",
    "region_env_vars",
    "refunds_unused",
    "max_tokens_field",
)
_OF_THE_KEY: Final = ("key_env_vars", "key_is_optional")


def _vendor_facts(api_base: str, api_key_env_var: str | None) -> dict[str, Any]:
    """What the other models of this vendor say of it; for a vendor we do not know, its host is its name."""
    base = str(api_base).rstrip("/")
    sibling = registry.at(base) if base else None
    if sibling is None:
        return {"provider": base.rpartition("://")[2].partition("/")[0] or "unknown"}
    is_usual_key = api_key_env_var == sibling.api_key_env_var
    return {name: getattr(sibling, name) for name in _OF_THE_VENDOR + (_OF_THE_KEY if is_usual_key else ())}


def _model(model_id: str, name: str, api_base: str, api_key_env_var: str | None, rest: dict[str, Any]) -> Model:
    unknown = sorted(rest.keys() - _FIELDS)
    if unknown:
        raise ConfigError(f"model {model_id!r}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    return Model(id=model_id, name=name, api_base=api_base, api_key_env_var=api_key_env_var, **rest)


_FIELDS: Final = frozenset(Model.__dataclass_fields__) - {"id", "name", "api_base", "api_key_env_var"}

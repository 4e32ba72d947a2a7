"""Clients from settings that are data: a mapping, or a YAML file. The constructor does the checking of values.

No key is read from either: files are copied, shared and kept in repositories. Keys come from the environment, and what
no file can say (a key of the program's own, a cache, a function) is given beside the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    import os

__all__ = ["ConfigFiles", "read_settings"]

_SECRETS: Final = ("api_key", "env")


class ConfigFiles:
    """`LLMClient` inherits from it; the names it takes are those of its constructor."""

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """A client from the constructor's arguments by name. Arguments beside the mapping win over it.

        `sampling_params` may be a mapping, or a list of them with one for each model, instead of `SamplingParams`.

            LLMClient.from_dict({"model_names": "gpt-4.1-mini", "sampling_params": {"temperature": 0}}, cache=my_cache)

        Raises:
            ConfigError: a name is none of the constructor's (the message has the nearest), a value cannot work, or the
                mapping holds a key (`api_key`, `env`): give those beside it, or set the environment's variable.
        """
        given = {} if settings is None else _checked(settings, "settings")
        arguments = {**given, **more}
        _check_names(arguments, _parameters(cls), "a setting of LLMClient")
        if "sampling_params" in arguments:
            arguments["sampling_params"] = _sampling_params(arguments["sampling_params"])
        return cls(**arguments)

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str], **more: Any) -> Self:
        """A client from a YAML file of the constructor's arguments by name. Arguments beside the file win over it.

        Raises:
            ConfigError: as in `from_dict`; also, the file cannot be read, or is no YAML mapping.
        """
        return cls.from_dict(read_settings(path), **more)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a YAML file says: plain data by name, nothing else (no Python objects). The names are not checked here.

    Raises:
        ConfigError: the file cannot be read, is no YAML mapping, or holds a key.
    """
    import yaml  # only here, so that plain use does not load it

    try:
        found = yaml.safe_load(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is no UTF-8 text: {error.reason}"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = "is no YAML" if mark is None else f"is no YAML: line {mark.line + 1} cannot be read"
    else:
        return _checked({} if found is None else found, str(path))
    # Raised here and not where it was caught: those exceptions hold the file, and whatever somebody wrote into it.
    raise ConfigError(f"{path} {problem}")


def _checked(settings: Any, source: str) -> dict[str, Any]:
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise ConfigError(f"{source} must be a mapping of settings by name")
    secret = next((name for name in _SECRETS if name in settings), None)
    if secret is not None:
        raise ConfigError(
            f"{source}: {secret} does not belong there, where it is easily given away; "
            "set the environment variable of the provider, or pass it as an argument"
        )
    return dict(settings)


def _parameters(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


def _sampling_params(value: Any) -> Any:
    """Mappings as `SamplingParams`; what is neither is left for the constructor to refuse."""
    if isinstance(value, Mapping | SamplingParams):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return [_one_sampling_params(each) if isinstance(each, Mapping) else each for each in value]


def _one_sampling_params(value: Mapping[str, Any]) -> SamplingParams:
    _check_names(value, SamplingParams.model_fields, "a field of sampling_params")
    return SamplingParams(**value)


def _check_names(given: Iterable[Any], known: Iterable[str], what: str) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            from difflib import get_close_matches  # for mistakes only

            nearest = get_close_matches(str(name), names, n=1, cutoff=0.0)
            raise ConfigError(f"{name!r:.80} is not {what}; did you mean {nearest[0]!r}?")

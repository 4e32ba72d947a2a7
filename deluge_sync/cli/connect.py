"""From the options of a command to a client that can answer: models, keys, settings of a file, checked before use.

`run`, `ask`, `estimate`, `embed` and `batch` come here. Defaults are those of `LLMClient`; this module has none of its
own. Nothing is sent.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deluge_sync.cli.exits import BadInputError
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync.client import LLMClient

__all__ = ["CLIENT_ARGUMENTS", "ClientOptions", "client_settings", "open_client", "read_environment", "read_key"]

# Our option -> the argument of LLMClient that it sets.
CLIENT_ARGUMENTS = {
    "rpm": "max_requests_per_minute",
    "tpm": "max_tokens_per_minute",
    "concurrency": "max_concurrent_requests",
    "max_attempts": "max_attempts",
    "timeout": "request_timeout",
    "max_tokens": "max_new_tokens",
    "temperature": "temperature",
    "base_url": "base_url",
    "max_cost": "max_cost",
}
# Settings of a file that are told per model, and so mean nothing for other models.
_PER_MODEL = ("model_weights", "sampling_params")
_OF_ANSWERS = ("max_new_tokens", "temperature")


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The options that shape a client, as given; None where one was left to its default."""

    models: tuple[str, ...] = ()
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    env_file: str | None = None
    config: str | None = None
    cache: str | None = None
    max_cost: float | None = None

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Self:
        """Those that a command has, taken out of `options`."""
        known = [field.name for field in fields(cls) if field.name in options]
        return cls(**{name: options.pop(name) for name in known})


def open_client(options: ClientOptions, environment: Mapping[str, str], *, is_key_needed: bool = True) -> LLMClient:
    """A client whose models exist and whose keys are there, if they are needed.

    Raises:
        BadInputError: an option, the settings file, a model or a key cannot be used.
    """
    from deluge_sync.client import LLMClient  # large, and not needed for --help or to refuse bad prompts

    arguments = client_settings(options)
    if options.api_key_env is not None:
        arguments["api_key"] = read_key(options.api_key_env, environment)
    if options.cache is not None:
        arguments["cache"] = _open_cache(options.cache)
    try:
        make = LLMClient if options.config is None else LLMClient.from_dict
        client = make(**arguments, env=environment)
        if is_key_needed:
            deque(client.process_prompts_iter((), show_progress=False), maxlen=0)  # sends nothing, but looks for keys
    except (ValueError, NotImplementedError) as error:  # ConfigError is one; pydantic refuses sampling params with it
        raise BadInputError(str(error)) from error
    return client


def client_settings(options: ClientOptions) -> dict[str, Any]:
    """The arguments of `LLMClient` that the settings file and the options give; the options win. No key among them."""
    _check_base_url(options.base_url)
    given = {
        argument: value
        for option, argument in CLIENT_ARGUMENTS.items()
        if (value := getattr(options, option)) is not None
    }
    settings = {} if options.config is None else _read_settings(options.config)
    if options.models:
        given |= _pool(options.models)
        settings = {name: value for name, value in settings.items() if name not in _PER_MODEL}
    return _over(settings, given)


def read_environment(env_file: str | None) -> dict[str, str]:
    """The variables of the process, over those of the file. Neither is changed.

    Raises:
        BadInputError: the file is missing or no text.
    """
    if env_file is None:
        return dict(os.environ)
    from dotenv import dotenv_values  # only where a file is named

    if not Path(env_file).is_file():
        raise BadInputError(f"{env_file}: no such file (--env-file)")
    try:
        given = dotenv_values(env_file)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{env_file}: cannot be read ({error})") from error
    return {name: value for name, value in given.items() if value is not None} | dict(os.environ)


def _over(settings: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What was given wins, in the sampling params of the file too."""
    answers = {name: given[name] for name in _OF_ANSWERS if name in given}
    told = settings.get("sampling_params")
    if isinstance(told, dict):
        settings = {**settings, "sampling_params": {**told, **answers}}
    elif isinstance(told, list) and all(isinstance(params, dict) for params in told):
        settings = {**settings, "sampling_params": [{**params, **answers} for params in told]}
    return {**settings, **given}


def _pool(models: tuple[str, ...]) -> dict[str, Any]:
    """`NAME` or `NAME=WEIGHT`, each: the names, and weights if there is any. A lone name stays a text."""
    pairs = [_weighed(model) for model in models]
    names = [name for name, _ in pairs]
    if all(weight is None for _, weight in pairs):
        return {"model_names": names[0] if len(names) == 1 else names}
    return {"model_names": names, "model_weights": [1.0 if weight is None else weight for _, weight in pairs]}


def _weighed(model: str) -> tuple[str, float | None]:
    name, equals, weight = model.rpartition("=")
    if not equals:
        return model, None
    try:
        number = float(weight)
    except ValueError:
        number = -1.0
    if not name or not 0 <= number < float("inf"):
        raise BadInputError(f"--model {model!r}: a weight is a number of 0 or more, as in 'gpt-4.1-mini=2'")
    return name, number


def _check_base_url(url: str | None) -> None:
    """An empty URL, out of an unset shell variable, must not mean the model's usual place."""
    if url is not None and not url.startswith(("http://", "https://")):
        raise BadInputError(f"--base-url {url!r} is no http or https URL")


def read_key(variable: str, environment: Mapping[str, str]) -> str:
    """The API key in an environment variable that --api-key-env names.

    Raises:
        BadInputError: it is not set.
    """
    if not environment.get(variable):
        raise BadInputError(f"no API key: the environment variable {variable} is not set (--api-key-env)")
    return environment[variable]


def _open_cache(path: str) -> Any:
    from deluge_sync.cache import SqliteCache  # loads pydantic, which --help needs not

    if not path or Path(path).is_dir():
        raise BadInputError(f"--cache {path!r}: the name of a file is needed, which is made if it is not there")
    try:
        return SqliteCache(path)
    except ConfigError as error:
        raise BadInputError(f"--cache: {error}") from error


def _read_settings(path: str) -> dict[str, Any]:
    from deluge_sync.client.config_file import read_settings  # loads PyYAML, which few runs need

    try:
        return dict(read_settings(path))
    except (ConfigError, OSError) as error:
        raise BadInputError(f"--config: {error}") from error

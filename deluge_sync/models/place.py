"""Where a model is reached, by its row and the environment: the variables mean what they mean to the vendor's package.

Pure: the environment is an argument, and nothing is read from it before somebody asks. Callers: the client's routes,
and whoever wants to know where a run goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deluge_sync.errors import ConfigError
from deluge_sync.models.model import refuse_bad_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deluge_sync.models.model import Model

__all__ = ["base_url_of", "key_variable_of"]


def base_url_of(model: Model, env: Mapping[str, str]) -> str:
    """What comes before the endpoint's path, without a slash at its end. A variable of blanks is as good as none.

    Raises:
        ConfigError: the environment holds no URL where there should be one, or lacks what only it can tell.
    """
    variable = model.base_url_env_var
    value = env.get(variable, "").strip() if variable is not None else ""
    if value:
        url = value if model.base_url_env_port is None else _url_of_host(value, model.base_url_env_port)
        refuse_bad_url(f"the environment variable {variable}", url)
        return url.rstrip("/") + model.base_url_env_path
    if not model.api_base:
        raise ConfigError(f"model {model.id!r}: set the environment variable {variable} to the URL it is reached at")
    if "{region}" in model.api_base:
        return model.api_base.replace("{region}", _region(model, env))
    return model.api_base


def key_variable_of(model: Model, env: Mapping[str, str]) -> str | None:
    """The variable that holds the model's key, or the one to set; None where no key is needed."""
    return _first_set(model.key_env_vars, env) or model.api_key_env_var


def _region(model: Model, env: Mapping[str, str]) -> str:
    variable = _first_set(model.region_env_vars, env)
    region = env[variable].strip() if variable else ""
    if not region:
        raise ConfigError(f"model {model.id!r}: set the environment variable {' or '.join(model.region_env_vars)}")
    if not region.isascii() or not region.replace("-", "").isalnum():
        raise ConfigError(f"the environment variable {variable}={region!r:.80} is no region")
    return region


def _first_set(variables: Iterable[str], env: Mapping[str, str]) -> str | None:
    return next((name for name in variables if env.get(name, "").strip()), None)


def _url_of_host(value: str, port: int) -> str:
    """`host`, `host:port`, `:port` or a URL; a bare host is meant with `port`, a URL with its scheme's own."""
    if "://" in value:
        return value
    host, slash, path = value.partition("/")
    try:
        parts = urlsplit(f"//{host}")
        has_port = parts.port is not None
    except ValueError:
        return f"http://{value}"
    name = host.removesuffix(f":{parts.port}") if has_port else host.removesuffix(":")
    return f"http://{name or '127.0.0.1'}:{parts.port if has_port else port}{slash}{path}"

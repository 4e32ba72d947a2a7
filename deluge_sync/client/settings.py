"""The client's settings, checked: whatever cannot work is refused before the first prompt, by its own name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError
from deluge_sync.prompt.dialects.anthropic_cache import CACHE_PATTERNS
from deluge_sync.prompt.parts import compact_json

if TYPE_CHECKING:
    from deluge_sync.models import Model
    from deluge_sync.tool import AnyTool

__all__ = [
    "CACHE_PATTERNS",
    "PROGRESS",
    "SERVICE_TIERS",
    "Progress",
    "body_of",
    "check_background",
    "check_cache",
    "check_callable",
    "check_choice",
    "check_numbers",
    "check_one_key_fits",
    "check_type",
    "check_whole_numbers",
    "headers_of",
    "key_of",
    "names_of",
    "params_of",
    "stop_of",
    "tools_of",
    "weights_of",
]

Progress = Literal["rich", "tqdm", "manual"]

PROGRESS: tuple[str, ...] = get_args(Progress)
SERVICE_TIERS = ("auto", "default", "flex", "priority")

# RFC 9110, 5.1 and 5.5. Blanks around a value would be cut off on the way.
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEADER_VALUE = r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
# They tell where a request ends: another value than ours would cut it, or make the provider wait for more.
_FRAMING = frozenset({"content-length", "transfer-encoding"})


def names_of(model_names: Any) -> list[str]:
    """The model names as a list, which has at least one."""
    names = [model_names] if isinstance(model_names, str) else model_names
    if not _is_list(names) or not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"model_names must be a name or a list of names; got {model_names!r:.200}")
    return list(names)


def check_numbers(**settings: Any) -> None:
    """Each setting is a positive, finite number."""
    for name, value in settings.items():
        if not (_is_number(value) and value > 0):
            raise ConfigError(f"{name} must be a positive number; got {value!r:.80}")


def check_whole_numbers(**settings: Any) -> None:
    """Each setting is a positive whole number: less than one request a minute, for one, would never be sent."""
    for name, value in settings.items():
        if not (_is_number(value) and isinstance(value, int) and value > 0):
            raise ConfigError(f"{name} must be a positive whole number (int); got {value!r:.80}")


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """The setting is one of `choices`."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r:.80}")


def check_type(name: str, value: object, expected: type) -> None:
    """The setting is of its type, or not given. The value is not told: it may hold keys."""
    if value is not None and not isinstance(value, expected):
        raise ConfigError(f"{name} must be a {expected.__name__} or None; got a {type(value).__name__}")


def check_callable(name: str, value: object) -> None:
    """The setting can be called, or is not given."""
    if value is not None and not callable(value):
        raise ConfigError(f"{name} must be a function; got {value!r:.80}")


def check_cache(cache: object) -> None:
    """The local cache has what the engine calls, or is not given."""
    missing = [name for name in ("get", "put") if not callable(getattr(cache, name, None))]
    if cache is not None and missing:
        raise ConfigError(f"cache must have get(prompt) and put(prompt, response); {missing[0]} is missing")


def check_background(*, use_responses_api: bool, background: bool) -> None:
    """Background answers exist in the Responses API only."""
    if background and not use_responses_api:
        raise ConfigError("background=True needs use_responses_api=True: chat completions have no background mode")


def weights_of(model_weights: Any, names: Sequence[str]) -> list[float]:
    """One weight a model. They need not add up to 1."""
    if model_weights == "uniform":
        return [1.0] * len(names)
    if model_weights == "dynamic":
        raise NotImplementedError("model_weights='dynamic' is not implemented; use 'uniform' or a list of numbers")
    if not _is_list(model_weights):
        raise ConfigError(f"model_weights must be 'uniform' or a list of numbers; got {model_weights!r:.80}")
    if len(model_weights) != len(names):
        raise ConfigError(f"model_weights has {len(model_weights)} numbers for {len(names)} models")
    if not all(_is_number(weight) and weight >= 0 for weight in model_weights):
        raise ConfigError(f"model_weights must be numbers of 0 or more; got {model_weights!r}")
    if not any(model_weights):
        raise ConfigError("model_weights are all 0, so no model could be chosen")
    return [float(weight) for weight in model_weights]


def params_of(sampling_params: Any, names: Sequence[str], default: SamplingParams) -> list[SamplingParams]:
    """The sampling parameters of each model: one for all, one each, or `default`."""
    if sampling_params is None:
        return [default] * len(names)
    if not _is_list(sampling_params) or not all(isinstance(params, SamplingParams) for params in sampling_params):
        raise ConfigError(f"sampling_params must be a list of SamplingParams; got {sampling_params!r:.200}")
    if len(sampling_params) not in (1, len(names)):
        raise ConfigError(f"sampling_params has {len(sampling_params)} entries for {len(names)} models")
    return list(sampling_params) if len(sampling_params) == len(names) else [sampling_params[0]] * len(names)


def headers_of(extra_headers: Mapping[Any, Any] | None) -> dict[str, str]:
    """A copy of the headers, each of which can be sent. No value is told: it may be a key."""
    check_type("extra_headers", extra_headers, Mapping)
    headers = dict(extra_headers or {})
    for name, value in headers.items():
        if not isinstance(name, str) or not re.fullmatch(_HEADER_NAME, name) or name.lower() in _FRAMING:
            raise ConfigError(f"extra_headers: a header of the name {name!r:.80} cannot be sent")
        if not isinstance(value, str) or not re.fullmatch(_HEADER_VALUE, value):
            raise ConfigError(
                f"extra_headers: the value of {name!r} cannot be sent: it must be a text in one line, of Latin-1 "
                "characters, without blanks around it"
            )
    return headers


def body_of(extra_body: Mapping[Any, Any] | None) -> dict[str, Any]:
    """A copy of the fields, each of which has a form in JSON."""
    check_type("extra_body", extra_body, Mapping)
    body = dict(extra_body or {})
    compact_json(body, what="extra_body")
    return body


def stop_of(stop: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """One text or several, as several; `SamplingParams` checks them."""
    return stop if stop is None else (stop,) if isinstance(stop, str) else tuple(stop)


def check_one_key_fits(api_key: str | None, models: Iterable[Model], *, base_url: str | None) -> None:
    """One key for models of several providers would be shown to those that it is not of."""
    providers = sorted({model.provider for model in models})
    if api_key is not None and base_url is None and len(providers) > 1:
        raise ConfigError(
            f"api_key is one key, but these models are of several providers: {', '.join(providers)}; "
            "put each provider's key into its environment variable, or into env="
        )


def key_of(source: str, text: str) -> Secret:
    """The key without the line break that files add, which may leave nothing. `source` says where it is from.

    What no header can carry is refused, and not quoted.
    """
    check_type(source, text, str)
    key = text.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"{source} is no API key: it has spaces, line breaks or characters beyond ASCII")
    return Secret(key)


def tools_of(tools: Iterable[AnyTool] | None) -> tuple[AnyTool, ...]:
    """The tools of one call. Those of MCP servers have the server's name before their own where two have the same."""
    if tools is None:
        return ()
    if isinstance(tools, str | Mapping) or not isinstance(tools, Iterable):
        raise ConfigError(f"tools must be a list of tools; got {tools!r:.80}")
    from deluge_sync.tool import MCPServer, Tool  # with the first tool: most prompts have none
    from deluge_sync.tool.mcp.naming import distinct

    found = tuple(tools)
    for tool in found:
        if not isinstance(tool, Tool | MCPServer | Mapping):
            raise ConfigError(f"tools: each must be a Tool or a dict in the provider's form; got {tool!r:.80}")
    return distinct(found)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: object) -> bool:
    """Finite, and no bool. An int that no float can hold counts as infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max

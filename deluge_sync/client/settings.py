"""The client's settings, checked: whatever cannot work is refused before the first prompt, by its own name."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal, get_args

from deluge_sync.config import SamplingParams
from deluge_sync.errors import ConfigError

__all__ = [
    "CACHE_PATTERNS",
    "PROGRESS",
    "SERVICE_TIERS",
    "Progress",
    "check_choice",
    "check_numbers",
    "check_responses_api",
    "names_of",
    "params_of",
    "weights_of",
]

Progress = Literal["rich", "tqdm", "manual"]

PROGRESS: tuple[str, ...] = get_args(Progress)
CACHE_PATTERNS = (
    "system_and_tools",
    "tools_only",
    "last_user_message",
    "last_2_user_messages",
    "last_3_user_messages",
    "automatic",
)
SERVICE_TIERS = ("auto", "default", "flex", "priority")


def names_of(model_names: str | Sequence[str]) -> list[str]:
    """The model names as a list, which has at least one."""
    names = [model_names] if isinstance(model_names, str) else list(model_names)
    if not names or not all(names):
        raise ConfigError(f"model_names must be a name or a list of names; got {model_names!r}")
    return names


def check_numbers(**settings: float | None) -> None:
    """Each setting is a positive, finite number, or None where that means no bound."""
    for name, value in settings.items():
        if value is not None and not (_is_number(value) and isfinite(value) and value > 0):
            raise ConfigError(f"{name} must be a positive number; got {value!r}")


def check_choice(name: str, value: str | None, choices: Sequence[str]) -> None:
    """The setting is one of `choices`, or not given."""
    if value is not None and value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; got {value!r}")


def check_responses_api(*, use_responses_api: bool, background: bool) -> None:
    """Background responses exist in the Responses API only, and this version does not speak that API yet."""
    if background and not use_responses_api:
        raise ConfigError("background=True needs use_responses_api=True: chat completions have no background mode")
    if use_responses_api:
        raise ConfigError("use_responses_api=True is not supported by this version; leave it out for chat completions")


def weights_of(model_weights: Any, names: Sequence[str]) -> list[float]:
    """One weight a model. They need not add up to 1."""
    if model_weights == "uniform":
        return [1.0] * len(names)
    if model_weights == "dynamic":
        raise NotImplementedError("model_weights='dynamic' is not implemented; use 'uniform' or a list of numbers")
    if isinstance(model_weights, str) or not isinstance(model_weights, Sequence):
        raise ConfigError(f"model_weights must be 'uniform' or a list of numbers; got {model_weights!r}")
    if len(model_weights) != len(names):
        raise ConfigError(f"model_weights has {len(model_weights)} numbers for {len(names)} models")
    if not all(_is_number(weight) and isfinite(weight) and weight >= 0 for weight in model_weights):
        raise ConfigError(f"model_weights must not be negative; got {model_weights!r}")
    if not any(model_weights):
        raise ConfigError("model_weights are all 0, so no model could be chosen")
    return [float(weight) for weight in model_weights]


def params_of(
    sampling_params: Sequence[SamplingParams] | None, names: Sequence[str], default: SamplingParams
) -> list[SamplingParams]:
    """The sampling parameters of each model: one for all, one each, or `default`."""
    if not sampling_params:
        return [default] * len(names)
    if len(sampling_params) not in (1, len(names)):
        raise ConfigError(f"sampling_params has {len(sampling_params)} entries for {len(names)} models")
    return list(sampling_params) if len(sampling_params) == len(names) else [sampling_params[0]] * len(names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

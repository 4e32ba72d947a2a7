"""Which settings shape an answer: a hash of them, by which a results file knows that it belongs to a run.

How fast prompts are sent, how often they are tried and what they may cost shapes no answer. Defaults are filled in, so
that one that is spelled out changes nothing. Only `run` asks.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["settings_digest"]

# Arguments of LLMClient with the names that earlier versions hashed them by: their results files must stay valid.
_ALWAYS = {"model_names": "model", "max_new_tokens": "max_tokens", "temperature": "temperature", "base_url": "base_url"}
_WHERE_SET = (
    *("sampling_params", "model_weights", "use_responses_api", "top_p", "json_mode", "reasoning_effort", "logprobs"),
    *("top_logprobs", "thinking_budget", "seed", "stop", "extra_body", "extra_headers"),
)


def settings_digest(
    settings: Mapping[str, Any], environment: Mapping[str, str], *, system: str | None, **more: Any
) -> str:
    """`settings` are arguments of `LLMClient`; `more` counts where it is not None."""
    from deluge_sync.client import LLMClient  # large, and not needed for --help

    defaults = {name: parameter.default for name, parameter in inspect.signature(LLMClient).parameters.items()}
    shaping: dict[str, Any] = {ours: settings.get(name, defaults[name]) for name, ours in _ALWAYS.items()}
    shaping["system"] = system
    shaping["base_url"] = (shaping["base_url"] or _usual_urls(shaping["model"], environment)).rstrip("/")
    shaping |= {name: settings[name] for name in _WHERE_SET if settings.get(name) not in (None, defaults[name])}
    shaping |= {name: value for name, value in more.items() if value is not None}
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode()).hexdigest()


def _usual_urls(model_names: str | list[str], environment: Mapping[str, str]) -> str:
    """Where the client finds models that no base URL says anything about."""
    from deluge_sync.models import get_model  # as above
    from deluge_sync.models.place import base_url_of

    names = [model_names] if isinstance(model_names, str) else model_names
    return " ".join(base_url_of(get_model(name), environment).rstrip("/") for name in names)

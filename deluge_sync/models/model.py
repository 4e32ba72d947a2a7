"""What we know about one model: where it is called, what it can do, what it costs. A checked, unchangeable value.

Vendors and models are rows, not code: whoever wants to know what a model can do asks a field, never its name. Nothing
here calls a provider or holds a key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from deluge_sync.errors import ConfigError

__all__ = ["API_SPECS", "ApiSpec", "MaxTokensField", "Model", "refuse_bad_url"]

ApiSpec = Literal["openai", "openai-responses", "anthropic", "gemini", "mistral", "bedrock"]
API_SPECS: Final[tuple[str, ...]] = get_args(ApiSpec)
MaxTokensField = Literal["max_completion_tokens", "max_tokens"]
_ENDPOINTS: Final = ("/chat/completions", "/responses", "/messages")


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one vendor.

    id: our name for it; name: the one the vendor is sent.
    api_base: what comes before `/chat/completions`, `/responses`, `/messages` or `/models/{model}:generateContent`.
    api_key_env_var: None where no key is needed. base_url_env_var: when set in the environment it replaces api_base.
    *_cost: US dollars per million tokens; None is unknown, which is not the same as 0.
    tier_costs: (input, output) where a service tier ("batch", "flex", "priority") has its own price.
    supports_json: json_mode; supports_schema: answers held to a JSON schema.
    accepts_sampling: False where temperature and top_p are refused, so they are left out of the request.
    context_tokens, max_output_tokens: None is unknown.
    refunds_unused: whether the token limit gets back what a request reserved and did not use.
    max_tokens_field: what the OpenAI format calls the upper bound of the answer at this vendor.
    deprecation_date: ISO date on which the vendor means to stop serving it.

    Raises:
        ConfigError: a value cannot work; the message names the model, the field and the value.
    """

    id: str
    name: str
    provider: str
    api_base: str
    api_key_env_var: str | None = None
    base_url_env_var: str | None = None
    api_spec: ApiSpec = "openai"
    input_cost: float | None = None
    cached_input_cost: float | None = None
    cache_write_cost: float | None = None
    output_cost: float | None = None
    tier_costs: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict, hash=False)
    supports_json: bool = False
    supports_schema: bool = False
    supports_images: bool = False
    supports_files: bool = False
    supports_logprobs: bool = False
    supports_responses: bool = False
    supports_tools: bool = True
    reasoning_model: bool = False
    accepts_sampling: bool = True
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    refunds_unused: bool = True
    max_tokens_field: MaxTokensField = "max_tokens"
    deprecation_date: str | None = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            problem = check(getattr(self, name))
            if problem is not None:
                raise ConfigError(f"model {self.id!r}: {name}={_shown(getattr(self, name))}: {problem}")
        object.__setattr__(self, "api_base", self.api_base.rstrip("/"))

    @classmethod
    def for_base_url(cls, name: str, base_url: str, api_key_env_var: str | None = None) -> Model:
        """A model behind an OpenAI-compatible endpoint that nobody registered.

        Its prices are unknown, and it is taken to be able to do what the format can say: the endpoint knows better.
        """
        refuse_bad_url(f"model {name!r}: base_url", base_url)
        return cls(
            id=name,
            name=name,
            provider=urlsplit(base_url).netloc,
            api_base=base_url,
            api_key_env_var=api_key_env_var,
            supports_json=True,
            supports_schema=True,
            supports_images=True,
            supports_files=True,
            supports_logprobs=True,
            reasoning_model=True,
        )


def refuse_bad_url(source: str, url: object) -> None:
    """Raise a `ConfigError` unless `url` can stand before an endpoint's path. `source` says where it is from."""
    problem = _url_problem(url)
    if problem is not None:
        raise ConfigError(f"{source}={_shown(url)}: {problem}")


def _shown(value: object) -> str:
    """The value for an error message; a URL without its user and query, where people put keys."""
    if not isinstance(value, str) or "://" not in value:
        return repr(value)
    return repr(re.sub(r"(//)[^/@]*@|[?#].*", r"\1***", value))


def _text_problem(value: object) -> str | None:
    return None if isinstance(value, str) and value.strip() else "it must be a text that is not empty"


def _optional_text_problem(value: object) -> str | None:
    return None if value is None else _text_problem(value)


def _url_problem(value: object) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "it must be the URL before /chat/completions"
    if " " in value or not value.isprintable():
        return "it must have no blanks or line breaks"
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError as error:
        return f"it is no URL ({error})"
    if url.scheme not in ("http", "https") or not host:
        return "it must begin with https:// or http:// and name a host"
    if url.username is not None or url.query or url.fragment:
        return "it must have no user, query or fragment"
    endpoint = next((end for end in _ENDPOINTS if url.path.rstrip("/").endswith(end)), None)
    return f"leave {endpoint} off" if endpoint else None


def _cost_problem(value: object) -> str | None:
    if value is None or (_is_number(value) and 0 <= value < math.inf):  # type: ignore[operator]  # checked before it
        return None
    return "it must be US dollars per million tokens, 0 or more, or None for unknown"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tiers_problem(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return "it must be a dict of (input, output) costs by service tier"
    for pair in value.values():
        if not isinstance(pair, tuple) or len(pair) != 2:
            return "a tier has a pair of costs: input and output"
        problem = _cost_problem(pair[0]) or _cost_problem(pair[1])
        if problem is not None:
            return problem
    return None


def _tokens_problem(value: object) -> str | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return None
    return "it must be a number of tokens above 0, or None for unknown"


def _spec_problem(value: object) -> str | None:
    return None if value in API_SPECS else f"known are {', '.join(API_SPECS)}"


def _field_problem(value: object) -> str | None:
    return None if value in get_args(MaxTokensField) else f"known are {', '.join(get_args(MaxTokensField))}"


def _flag_problem(value: object) -> str | None:
    return None if isinstance(value, bool) else "it must be True or False"


_CHECKS: Final = {
    "id": _text_problem,
    "name": _text_problem,
    "provider": _text_problem,
    "api_base": _url_problem,
    "api_key_env_var": _optional_text_problem,
    "base_url_env_var": _optional_text_problem,
    "api_spec": _spec_problem,
    "tier_costs": _tiers_problem,
    "max_tokens_field": _field_problem,
    **{cost.name: _cost_problem for cost in fields(Model) if cost.name.endswith("_cost")},
    **{flag.name: _flag_problem for flag in fields(Model) if flag.type == "bool"},
    **{count.name: _tokens_problem for count in fields(Model) if count.name.endswith("_tokens")},
}

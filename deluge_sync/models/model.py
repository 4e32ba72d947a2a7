"""What we know about one model: where it is called, what it can do, what it costs. A checked, unchangeable value.

Vendors and models are rows, not code: whoever wants to know what a model can do asks a field, never its name. Nothing
here calls a provider or holds a key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from deluge_sync.errors import ConfigError

__all__ = [
    "API_SPECS",
    "TAKEN_TO_BE_ABLE",
    "ApiSpec",
    "MaxTokensField",
    "Mode",
    "Model",
    "ReasoningControl",
    "refuse_bad_url",
]

ApiSpec = Literal["openai", "openai-responses", "anthropic", "gemini", "mistral", "bedrock"]
API_SPECS: Final[tuple[str, ...]] = get_args(ApiSpec)
MaxTokensField = Literal["max_completion_tokens", "max_tokens"]
Mode = Literal["chat", "embedding", "rerank"]
ReasoningControl = Literal["effort", "budget"]
_ENDPOINTS: Final = ("/chat/completions", "/responses", "/messages")


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one vendor.

    Attributes:
        id: our name for it.
        name: the one the vendor is sent.
        mode: what it is asked for.
        api_base: what comes before `/chat/completions`, `/responses`, `/messages` or `/models/{model}:generateContent`;
            a `{region}` in it is filled in from the first of region_env_vars that is set. Empty where only the
            environment can tell.
        api_key_env_var: the variable to set; None where no key is needed.
        key_env_vars: all that may hold the key, the first that is set wins; empty is `api_key_env_var` alone.
        key_is_optional: a request without key has another proof, as Bedrock's signature.
        key_header: what carries the bare key; None is as the wire format has it.
        base_url_env_var: when set in the environment it replaces api_base; base_url_env_path is put behind its value,
            because the variables of some official packages end before the version.
        base_url_env_port: the variable may hold a bare host, as OLLAMA_HOST does, and this is the port it means.
        maker: who made the model, where a vendor serves those of several and some settings are told in each one's way.
        input_cost: US dollars per million tokens, as all costs here; None is unknown, which is not the same as 0. Where
            there is none for cached tokens (cached_input_cost, cache_write_cost) it holds for them.
        output_cost: the same of the answer, and of reasoning where there is no reasoning_cost.
        tier_costs: (input, output) where a service tier ("batch", "flex", "priority") has its own price.
        supports_json: json_mode.
        supports_schema: answers held to a JSON schema.
        supports_files: PDF.
        reasoning_control: how the depth of reasoning is told: a word ("effort") or a number of tokens ("budget"); None
            where it cannot be told.
        accepts_sampling: False where temperature and top_p are refused, so they are left out of the request.
        context_tokens: how many tokens fit in; None is unknown.
        max_output_tokens: how long an answer can be; None is unknown.
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
    key_env_vars: tuple[str, ...] = ()
    key_is_optional: bool = False
    key_header: str | None = None
    base_url_env_var: str | None = None
    base_url_env_path: str = ""
    base_url_env_port: int | None = None
    region_env_vars: tuple[str, ...] = ()
    maker: str | None = None
    api_spec: ApiSpec = "openai"
    mode: Mode = "chat"
    input_cost: float | None = None
    cached_input_cost: float | None = None
    cache_write_cost: float | None = None
    cache_write_1h_cost: float | None = None
    output_cost: float | None = None
    reasoning_cost: float | None = None
    tier_costs: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict, hash=False)
    supports_json: bool = False
    supports_schema: bool = False
    supports_images: bool = False
    supports_files: bool = False
    supports_logprobs: bool = False
    supports_responses: bool = False
    supports_tools: bool = True
    reasoning_model: bool = False
    reasoning_control: ReasoningControl | None = None
    accepts_sampling: bool = True
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    refunds_unused: bool = True
    max_tokens_field: MaxTokensField = "max_tokens"
    deprecation_date: str | None = None

    def __post_init__(self) -> None:
        checks = _CHECKS if self.api_base or self.base_url_env_var is None else _CHECKS_WITHOUT_PLACE
        for name, check in checks.items():
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
        place = {"provider": urlsplit(base_url).netloc, "api_base": base_url, "api_key_env_var": api_key_env_var}
        return cls(id=name, name=name, **place, **TAKEN_TO_BE_ABLE)  # type: ignore[arg-type]  # netloc is a str here


# Of a model that nobody registered: what the format can say is sent, and the endpoint knows better.
TAKEN_TO_BE_ABLE: Final[Mapping[str, Any]] = {
    "supports_json": True,
    "supports_schema": True,
    "supports_images": True,
    "supports_files": True,
    "supports_logprobs": True,
    "supports_responses": True,
    "reasoning_model": True,
    "reasoning_control": "effort",
}


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


def _one_of(*known: object) -> Callable[[object], str | None]:
    return lambda value: None if value in known else f"known are {', '.join(map(str, known))}"


def _path_problem(value: object) -> str | None:
    if value == "" or (isinstance(value, str) and re.fullmatch(r"(/[\w.-]+)+", value)):
        return None
    return "it must be a path that begins with / and does not end with it, or empty"


def _port_problem(value: object) -> str | None:
    return None if value is None or value in range(1, 65_536) else "it must be a port, or None"


def _names_problem(value: object) -> str | None:
    if isinstance(value, tuple) and all(_text_problem(name) is None for name in value):
        return None
    return "it must be a tuple of names of environment variables"


def _flag_problem(value: object) -> str | None:
    return None if isinstance(value, bool) else "it must be True or False"


_CHECKS: Final = {
    "id": _text_problem,
    "name": _text_problem,
    "provider": _text_problem,
    "api_base": _url_problem,
    "api_key_env_var": _optional_text_problem,
    "key_env_vars": _names_problem,
    "key_header": _optional_text_problem,
    "base_url_env_var": _optional_text_problem,
    "base_url_env_path": _path_problem,
    "region_env_vars": _names_problem,
    "base_url_env_port": _port_problem,
    "maker": _optional_text_problem,
    "api_spec": _one_of(*API_SPECS),
    "mode": _one_of(*get_args(Mode)),
    "tier_costs": _tiers_problem,
    "reasoning_control": _one_of(*get_args(ReasoningControl), None),
    "max_tokens_field": _one_of(*get_args(MaxTokensField)),
    **{cost.name: _cost_problem for cost in fields(Model) if cost.name.endswith("_cost")},
    **{flag.name: _flag_problem for flag in fields(Model) if flag.type == "bool"},
    **{count.name: _tokens_problem for count in fields(Model) if count.name.endswith("_tokens")},
}
_CHECKS_WITHOUT_PLACE: Final = {name: check for name, check in _CHECKS.items() if name != "api_base"}

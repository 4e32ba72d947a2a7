"""What an adapter is given, what it gives back, and the functions every adapter has.

    Call -> build_request -> HttpRequest ~~> HttpReply -> parse_reply -> ModelReply | Failure

All of it is plain computation: an adapter opens no connection, waits for nothing and looks nothing up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync._adapters.failure import Failure
    from deluge_sync._http import HttpReply, HttpRequest
    from deluge_sync._secret import Secret
    from deluge_sync.config import SamplingParams
    from deluge_sync.models import Model
    from deluge_sync.prompt import Conversation, Message
    from deluge_sync.response import Usage
    from deluge_sync.tool import Tool

__all__ = ["Adapter", "Call", "Extras", "ModelReply"]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a call may say beside prompt, model and sampling. Its dicts must not change while prompts are under way."""

    tools: Sequence[Tool | Mapping[str, Any]] = ()
    output_schema: Any = None
    cache_pattern: str | None = None
    service_tier: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to the request, in the place of ours of the same name. May hold keys, so no `repr` shows them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One prompt for one model, with everything a request is built from. `base_url` has no slash at its end."""

    prompt: Conversation
    model: Model
    params: SamplingParams
    base_url: str
    api_key: Secret | None
    extras: Extras


@dataclass(frozen=True, slots=True)
class ModelReply:
    """An answer, in our terms. With `failure` it is none, but what it says and costs is kept: a refusal, half an answer
    beside an error. Such a one may be tried again, as any failure.
    """

    content: Message
    usage: Usage | None
    finish_reason: str | None
    model_external: str | None
    response_id: str | None = None
    logprobs: list[Any] | None = None
    service_tier: str | None = None
    failure: Failure | None = None
    raw: Mapping[str, Any] | None = None


class Adapter(Protocol):
    """One wire format: a module with these functions."""

    def build_request(self, call: Call) -> HttpRequest:
        """The request for `call`.

        Raises:
            ConfigError: the call says something that this format or model cannot.
        """
        ...

    def parse_reply(self, call: Call, reply: HttpReply) -> ModelReply | Failure:
        """The answer in a complete reply, or why there is none. Never raises, whatever the bytes."""
        ...

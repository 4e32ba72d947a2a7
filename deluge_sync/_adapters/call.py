"""What an adapter is given, what it gives back, and the functions every adapter has.

    Call -> build_request -> HttpRequest ~~> HttpReply -> parse_reply -> ModelReply | Failure
                                         ~~> chunks    -> StreamReader -> deltas, then the same

All of it is plain computation: an adapter opens no connection, waits for nothing and looks nothing up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deluge_sync._adapters.embeddings.inputs import Wish
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._http import HttpReply, HttpRequest
    from deluge_sync._secret import Secret
    from deluge_sync.config import SamplingParams
    from deluge_sync.deltas import StreamEvent
    from deluge_sync.models import Model
    from deluge_sync.prompt import Conversation, Message
    from deluge_sync.response import Usage
    from deluge_sync.tool import Tool
    from deluge_sync.tool.mcp.server import MCPServer

__all__ = ["Adapter", "Call", "Extras", "ModelReply", "StreamReader"]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a call may say beside prompt, model and sampling. Its dicts must not change while prompts are under way."""

    tools: Sequence[Tool | MCPServer | Mapping[str, Any]] = ()
    """MCP servers are those that the provider connects to itself; of all others there are the tools here."""
    output_schema: Any = None
    cache_pattern: str | None = None
    service_tier: str | None = None
    prefer_model: str | None = None
    """Of a pool the model to ask first, by its registry id; "last" is the one that answered the conversation last."""
    background: bool = False
    """Have the provider work on the answer by itself, to be fetched later."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to the request, in the place of ours of the same name. May hold keys, so no `repr` shows them."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Fields for the top of the request's JSON, in the place of ours; in the provider's own words."""
    wish: Wish | None = None
    """How the vectors shall be, where texts are to become some."""
    written: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What adapters have written of it already: see `writing.write_once`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One prompt for one model, with everything a request is built from. `base_url` has no slash at its end."""

    prompt: Conversation
    model: Model
    params: SamplingParams
    base_url: str
    api_key: Secret | None
    extras: Extras
    is_streamed: bool = False
    """Ask for the answer in pieces; its body then goes through `open_stream`."""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """An answer, in our terms. With `failure` it is none, but what it says and costs is kept: a refusal, half an answer
    beside an error. Such a one may be tried again, as any failure.
    """

    content: Message
    usage: Usage | None
    finish_reason: str | None
    """In OpenAI's words where they fit ("stop", "length", "tool_calls", "content_filter"), else the provider's."""
    model_external: str | None
    response_id: str | None = None
    logprobs: list[Any] | None = None
    """As OpenAI's chat completions write them: a dict a token with token, logprob, bytes and top_logprobs."""
    service_tier: str | None = None
    failure: Failure | None = None
    raw: Mapping[str, Any] | None = None


class StreamReader(Protocol):
    """Reads one streamed answer. Made for one attempt and used by one thread. Never raises, whatever the bytes."""

    def feed(self, chunk: bytes) -> Sequence[StreamEvent]:
        """What the next bytes of the body bring, in their order."""
        ...

    def finish(self, broken: Failure | None = None) -> ModelReply | Failure:
        """The whole answer, once the body has ended. `broken` says why it ended before its time.

        An answer that broke off is a `ModelReply` with a `failure` if anything of it had come.
        """
        ...


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

    def open_stream(self, call: Call) -> StreamReader:
        """A reader for the body of a successful reply to a streamed call."""
        ...

"""What a script can make the provider say (`Reply`), and in which way a reply leaves (`Delivery`).

Plain values. `Raw` is the reply as it goes out; `Answer` and `ErrorSpec` mean the same thing on every wire format, and
the format of the request turns them into a `Raw`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLAIN", "Answer", "Delivery", "ErrorSpec", "Raw", "Reply", "ScriptedCall"]

End = Literal["keep", "close", "reset", "close_at_next"]
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Raw:
    """A reply on the wire. A tuple as body is a stream: each part leaves as one HTTP chunk."""

    status: int
    headers: Mapping[str, str]
    body: bytes | tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """An error in terms that every wire format knows. None: what the format usually puts there."""

    status: int
    message: str | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A tool call the model makes. `arguments` is the text on the wire, so it may be broken JSON."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says; None is made up from the request. Token counts, where given, replace the counted ones."""

    text: str | None = None
    tool_calls: tuple[ScriptedCall, ...] | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    no_choices: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reply leaves. The default sends all of it and keeps the connection.

    `silent_s`: say nothing for so long, then hang up without a byte (None: speak). `share` of the body is sent while
    the headers promise all of it; `head_share` below 1 cuts the headers themselves. `half` cuts the document itself,
    with headers that fit. `head_rate` and `body_rate` are bytes a second. `end`: "close" sends FIN, "reset" RST,
    "close_at_next" waits for the next request and then closes without reading it; none is announced in the headers.
    """

    silent_s: float | None = None
    share: float = 1.0
    head_share: float = 1.0
    half: bool = False
    head_rate: float | None = None
    body_rate: float | None = None
    end: End = "keep"


PLAIN = Delivery()
"""All of it, and the connection is kept."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted reply. Make it with the class methods; `after(seconds)` adds latency to any of them.

    `content` None is the answer that the request would have got without a script.
    """

    content: Answer | ErrorSpec | Raw | None = None
    delivery: Delivery = PLAIN
    latency_s: float | None = None

    def after(self, latency_s: float) -> Reply:
        """The same, `latency_s` seconds after the request arrived, instead of the provider's own latency."""
        return dataclasses.replace(self, latency_s=latency_s)

    @classmethod
    def answer(cls, answer: Answer) -> Reply:
        """What the model says, in detail: refusal, finish reason, cached tokens, usage."""
        return cls(answer)

    @classmethod
    def text(cls, text: str, *, finish_reason: str | None = None, cached_tokens: int = 0) -> Reply:
        """The model says `text`."""
        return cls(Answer(text=text, finish_reason=finish_reason, cached_tokens=cached_tokens))

    @classmethod
    def tool_calls(cls, *calls: ScriptedCall) -> Reply:
        """The model calls these tools."""
        return cls(Answer(tool_calls=calls))

    @classmethod
    def empty_choices(cls) -> Reply:
        """Status 200 and a well-formed document with nothing in it."""
        return cls(Answer(no_choices=True))

    @classmethod
    def error(
        cls,
        status: int,
        *,
        message: str | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002  (the field's name on the wire)
        param: str | None = None,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Reply:
        """An error in the shape of the request's wire format. A number as `retry_after` is seconds."""
        return cls(ErrorSpec(status, message, code, type, param, retry_after, headers))

    @classmethod
    def raw(cls, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Exactly this; Content-Length and Date are added where `headers` lack them."""
        return cls(Raw(status, headers, body))

    @classmethod
    def html(cls, status: int = 502) -> Reply:
        """The page of a proxy in front of the provider."""
        page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"
        return cls(Raw(status, {"content-type": "text/html"}, page.encode()))

    @classmethod
    def not_utf8(cls) -> Reply:
        """Status 200 and a JSON document whose text is Latin-1."""
        body = '{"id": "latin", "choices": [{"message": {"content": "caf\xe9"}}]}'.encode("latin-1")
        return cls(Raw(200, {"content-type": "application/json"}, body))

    @classmethod
    def redirect(cls, location: str, status: int = 307) -> Reply:
        """Sends the client elsewhere."""
        return cls(Raw(status, {"location": location}, b""))

    @classmethod
    def reset(cls) -> Reply:
        """The connection is reset (RST) after the request was read, before a byte of a reply."""
        return cls(delivery=Delivery(silent_s=0.0, end="reset"))

    @classmethod
    def close(cls) -> Reply:
        """The connection is closed (FIN) after the request was read, without a byte."""
        return cls(delivery=Delivery(silent_s=0.0, end="close"))

    @classmethod
    def hang(cls, seconds: float) -> Reply:
        """Nothing for `seconds`, then the connection is closed."""
        return cls(delivery=Delivery(silent_s=seconds, end="close"))

    @classmethod
    def truncated(cls, *, where: Literal["headers", "body"] = "body") -> Reply:
        """The ordinary answer, half of the headers or of the body that they promise, then FIN."""
        cut = Delivery(head_share=0.5, end="close") if where == "headers" else Delivery(share=0.5, end="close")
        return cls(delivery=cut)

    @classmethod
    def half_json(cls) -> Reply:
        """Half of the ordinary answer's document, with a Content-Length that fits it."""
        return cls(delivery=Delivery(half=True))

    @classmethod
    def drip(cls, bytes_per_s: float, *, where: Literal["headers", "body"] = "body") -> Reply:
        """The ordinary answer, whose headers or body come at `bytes_per_s`."""
        slow = Delivery(head_rate=bytes_per_s) if where == "headers" else Delivery(body_rate=bytes_per_s)
        return cls(delivery=slow)

    @classmethod
    def close_idle(cls, *, when: Literal["at_once", "next_request"] = "at_once") -> Reply:
        """The whole ordinary answer; then the kept-alive connection is closed without notice.

        "at_once" right after the reply; "next_request" at the first byte of the next one, which then sees a reset.
        """
        return cls(delivery=Delivery(end="close" if when == "at_once" else "close_at_next"))

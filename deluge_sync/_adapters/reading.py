"""What every adapter does when it reads a reply: forgiving broken characters, and putting a stream together.

A streamed answer is assembled to the document that the same call would give at once, and read as that is read: there
is one reader a format, not two to keep equal.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.classify import classify_reply
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.errors import ReplyFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deluge_sync._adapters.call import Call
    from deluge_sync.deltas import StreamEvent
    from deluge_sync.sdk._base import Endpoint

__all__ = ["Assembler", "DocumentReader", "EventDecoder", "at_least_0", "parse_mended"]

Res = TypeVar("Res")
E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)


def parse_mended(endpoint: Endpoint[Any, Res, Any], body: bytes) -> Res:
    """The typed reply; a document with byte order mark, broken UTF-8 or half characters is mended first.

    Raises:
        ReplyFormatError: it is not what the endpoint promises.
    """
    try:
        return endpoint.parse(body)
    except ReplyFormatError:
        return endpoint.parse(_mended(body))


def _mended(body: bytes) -> bytes:
    """An answer is not lost for a broken character."""
    try:
        text = json.dumps(json.loads(body.decode("utf-8-sig", "replace")), ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
    return text.encode("utf-8", "replace")


def at_least_0(tokens: float | None) -> int:
    """A count that a provider told, which it may leave out, get wrong or give in fractions."""
    return max(int(tokens), 0) if tokens is not None and isfinite(tokens) else 0


class EventDecoder(Protocol[E_co]):
    """Cuts a body into events: `SseDecoder`, or another framing."""

    def feed(self, chunk: bytes) -> Sequence[E_co]: ...


class Assembler(Protocol[E_contra]):
    """Puts the events of one stream together to the document that the same call would give at once."""

    def add(self, event: E_contra) -> Iterable[StreamEvent]:
        """Take an event in, and give what it brings.

        Raises:
            ReplyFormatError: it is not what the format promises.
        """
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the answer has come to its end, so that a body which ends here was not cut."""
        ...

    @property
    def error(self) -> bytes | None:
        """The error document that came in the place of the rest, or None."""
        ...

    def document(self) -> bytes | None:
        """The reply so far; None where nothing of an answer has come."""
        ...


class DocumentReader:
    """A `StreamReader` made of a decoder, an assembler and a format's reader of whole replies."""

    def __init__(
        self,
        call: Call,
        assembler: Assembler[E],
        parse_reply: Callable[[Call, HttpReply], ModelReply | Failure],
        *,
        decoder: EventDecoder[E] | None = None,
    ) -> None:
        from deluge_sync._adapters.sse import SseDecoder  # with the first answer in pieces

        self._call = call
        self._assembler: Assembler[Any] = assembler
        self._parse_reply = parse_reply
        self._decoder: EventDecoder[Any] = decoder or SseDecoder()
        self._flaw: Failure | None = None

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """What the next bytes bring. After a flaw the rest is passed over."""
        brought: list[StreamEvent] = []
        try:
            if self._flaw is None:
                for event in self._decoder.feed(chunk):
                    brought.extend(self._assembler.add(event))
        except ReplyFormatError as error:
            self._flaw = Failure(FailureKind.MALFORMED, f"the stream cannot be read: {error}"[:500], 200)
        return brought

    def finish(self, broken: Failure | None = None) -> ModelReply | Failure:
        """The whole answer, or what came of it with the reason why that is not all."""
        failure = self._failure(broken)
        document = self._assembler.document()
        if document is None:
            return failure or self._parse_reply(self._call, HttpReply(200, {}, b""))
        outcome = self._parse_reply(self._call, HttpReply(200, {}, document))
        if failure is None:
            return outcome
        return replace(outcome, failure=failure) if isinstance(outcome, ModelReply) else failure

    def _failure(self, broken: Failure | None) -> Failure | None:
        """Why the answer is not whole, the provider's own words before ours."""
        if self._assembler.error is not None:
            return classify_reply(HttpReply(200, {}, self._assembler.error), provider=self._call.model.provider)
        if self._flaw is not None or self._assembler.is_complete:
            return self._flaw
        return broken or Failure(FailureKind.TRUNCATED, "the stream ended before the answer did", 200)

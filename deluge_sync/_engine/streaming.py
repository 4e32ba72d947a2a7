"""One streamed attempt: hands the deltas on as they arrive and remembers whether any were.

An answer of which something was handed on is not tried again: whoever listens has heard its beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.failure import Failure
from deluge_sync._http import HttpReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._adapters.call import Call, StreamReader
    from deluge_sync._engine.pool import Route
    from deluge_sync.deltas import StreamEvent

__all__ = ["Listener", "StreamedAttempt"]


class Listener:
    """Where the deltas of one prompt go. Used by the worker that has the job; `emit` must be quick and not raise."""

    def __init__(self, emit: Callable[[StreamEvent], None]) -> None:
        self.emit = emit
        self.has_heard = False

    def hear(self, event: StreamEvent) -> None:
        """Hand on one delta."""
        self.has_heard = True
        self.emit(event)


class StreamedAttempt:
    """Reads the body of one attempt. Made and used by one worker."""

    def __init__(self, call: Call, route: Route, listener: Listener) -> None:
        self._call = call
        self._adapter = route.adapter
        self._reader: StreamReader = route.adapter.open_stream(call)
        self._listener = listener
        self._has_begun = False

    def take(self, chunk: bytes) -> bool:
        """The next bytes of the body. True: there may be more."""
        self._has_begun = True
        for event in self._reader.feed(chunk):
            self._listener.hear(event)
        return True

    def outcome(self, reply: HttpReply | Failure) -> ModelReply | Failure:
        """What the whole exchange gave: read from the stream if there was one, else from the reply."""
        if self._has_begun or (isinstance(reply, HttpReply) and reply.is_streamed):
            return self._reader.finish(reply if isinstance(reply, Failure) else None)
        if isinstance(reply, Failure):
            return reply
        whole = self._adapter.parse_reply(self._call, reply)
        if isinstance(whole, ModelReply) and whole.failure is None:
            self._hand_on(whole)
        return whole

    def _hand_on(self, whole: ModelReply) -> None:
        """A server that does not stream gave the answer at once."""
        if whole.content.text:
            self._listener.hear(whole.content.text)

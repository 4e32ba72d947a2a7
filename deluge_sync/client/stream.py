"""One prompt whose answer is handed out as it arrives."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from deluge_sync._engine.streaming import Listener
from deluge_sync.aio import StreamItem
from deluge_sync.response import APIResponse

if TYPE_CHECKING:
    from deluge_sync._engine.job import Job

__all__ = ["ShownCall", "StreamCall", "StreamItem"]

_SIGNAL_CHECK_S = 0.25


class StreamCall:
    """Deltas in their order, then the `APIResponse`.

    Begun once, by iterating or with `begin`; stopped from any thread.
    """

    def __init__(self, submit: Callable[[Listener], Job], cancel: Callable[[list[Job]], None]) -> None:
        self._submit = submit
        self._cancel = cancel
        self._job: Job | None = None

    def begin(self, deliver: Callable[[StreamItem], None]) -> None:
        """Send the prompt. `deliver` gets every item, in the worker's thread; it must be quick and not raise."""
        listener = Listener(deliver)
        self._job = job = self._submit(listener)

        def end(_: object) -> None:
            response = job.future.result()
            if not listener.has_heard and response.text and not response.is_error:
                deliver(response.text)  # it came from the local cache, or a server that does not stream
            deliver(response)

        job.future.add_done_callback(end)

    def stop(self) -> None:
        """Cut the answer off if it has not ended."""
        if self._job is not None:
            self._cancel([self._job])

    def __iter__(self) -> Generator[StreamItem]:
        """All items. Leaving the loop early cuts the answer off."""
        arrived: SimpleQueue[StreamItem] = SimpleQueue()
        self.begin(arrived.put)
        try:
            while True:
                item = _next(arrived)
                yield item
                if isinstance(item, APIResponse):
                    return
        finally:
            self.stop()


class ShownCall:
    """Prints the text of a stream while it arrives. `run` once, in one thread; `stop` from any."""

    def __init__(self, call: StreamCall) -> None:
        self._call = call

    def run(self) -> APIResponse:
        """The response, once all of it is shown."""
        from deluge_sync._display import LiveText  # with the first answer that is shown

        shown, response = LiveText(), None
        for item in self._call:
            if isinstance(item, str):
                shown.write(item)
            elif isinstance(item, APIResponse):
                response = item
        shown.end()
        assert response is not None  # every stream ends with it
        return response

    def stop(self) -> None:
        """Cut the answer off; `run` then returns what there is."""
        self._call.stop()


def _next(arrived: SimpleQueue[StreamItem]) -> StreamItem:
    """The next item. The wait is cut in slices for Ctrl-C, as in `Feed`."""
    while True:
        with suppress(Empty):
            return arrived.get(timeout=_SIGNAL_CHECK_S)

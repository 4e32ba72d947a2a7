"""One call that gathers all its answers: in the prompts' order, with progress shown meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from deluge_sync.client.feed import Feed

__all__ = ["Collect"]

T = TypeVar("T")


class Collect(Generic[T]):
    """Runs a feed to its end. `run` once, in one thread; `stop` and `partial` from any."""

    def __init__(self, feed: Feed[T], display: AbstractContextManager[object], total: int | None) -> None:
        self._feed = feed
        self._display = display
        self._total = total
        self._responses: dict[int, T] = {}

    def run(self) -> list[T]:
        """Wait for every answer. One per prompt, in the prompts' order."""
        with self._display:
            try:
                self._responses.update(self._feed)
            except BaseException:
                self.stop()
                raise
        return [self._responses[position] for position in range(len(self._responses))]

    def stop(self) -> None:
        """Cancel what has no answer yet; `run` then returns what it has."""
        self._feed.stop()

    def partial(self, *, wait_s: float = 0.0) -> list[T | None]:
        """After `stop`: what had come, each in its place, and None where nothing had. `wait_s` as in `Feed`."""
        answers = {**self._responses, **dict(self._feed.finished_rest(wait_s=wait_s))}
        length = self._total if self._total is not None else max(answers, default=-1) + 1
        return [answers.get(position) for position in range(length)]

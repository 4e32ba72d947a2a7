"""One call that turns texts into numbers: looks up what is known, sends the rest in batches, keeps what comes.

Each batch is a job of the engine like a prompt, with an adapter of its own. A batch that is refused for one of its
texts is sent again in halves. `client.embeddings` makes these calls; what goes together is for `embedding.batches` to
say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._adapters.embeddings.inputs import as_prompt
from deluge_sync._adapters.embeddings.reading import NUMBERS
from deluge_sync._adapters.failure import FailureKind
from deluge_sync.client.feed import Feed
from deluge_sync.embedding.batches import Batch, Bisection, Refused, cut
from deluge_sync.embedding.result import TextError
from deluge_sync.errors import ClientClosedError
from deluge_sync.prompt import estimate_text_tokens
from deluge_sync.response import Usage

if TYPE_CHECKING:
    from array import array

    from deluge_sync._adapters.call import Extras
    from deluge_sync._adapters.embeddings.inputs import Limits
    from deluge_sync._engine.engine import Engine
    from deluge_sync._engine.job import Job, Run
    from deluge_sync.embedding.stored import StoredNumbers
    from deluge_sync.response import APIResponse

__all__ = ["Asked", "Found", "NumbersCall", "text_problem"]

_EMPTY: Final = TextError(FailureKind.BAD_REQUEST.value, "the text is empty; it was not sent")
_HALF: Final = TextError(
    FailureKind.BAD_REQUEST.value, "the text has half a character (a lone surrogate); it was not sent"
)
_UNUSABLE: Final = TextError(FailureKind.MALFORMED.value, "the provider gave no usable numbers for this text")
_CANCELLED: Final = TextError(FailureKind.CANCELLED.value, "cancelled before it was sent")
# So many requests are handed to the engine ahead of the answers, for each that may be on the wire.
_WINDOW_PER_WORKER: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """How the texts of a call are asked about: by which engine, in what portions, with what query, and kept where."""

    engine: Engine
    run: Run
    extras: Extras
    limits: Limits
    context_tokens: int | None
    workers: int
    stored: StoredNumbers | None = None
    query: str | None = None


@dataclass(slots=True)
class Found:
    """What came of the texts: numbers or an error for each, by position; and the bill."""

    numbers: list[array[float] | None]
    errors: dict[int, TextError] = field(default_factory=dict)
    usage: Usage | None = field(default_factory=lambda: Usage(0, 0))
    cost: float | None = 0.0
    from_cache: int = 0

    def add_bill(self, response: APIResponse) -> None:
        """Add what an answered request cost. What one of them does not tell makes the sum unknown."""
        told = (self.usage, response.usage)
        self.usage = None if told[0] is None or told[1] is None else told[0] + told[1]
        self.cost = None if self.cost is None or response.cost is None else self.cost + response.cost


def text_problem(text: str) -> TextError | None:
    """Why a text cannot be sent. It would take its whole batch with it."""
    if not text:
        return _EMPTY
    try:
        text.encode()
    except UnicodeEncodeError:
        return _HALF
    return None


class NumbersCall:
    """`run` once, in one thread; `stop` from any.

    Equal texts are sent once: they go by the position of the first of them. `display` makes what is shown while a
    number of requests is under way.
    """

    def __init__(
        self,
        texts: Sequence[str],
        asked: Asked,
        display: Callable[[int], AbstractContextManager[object]],
        expect_more: Callable[[int], None],
    ) -> None:
        self._texts = texts
        self._asked = asked
        self._display = display
        self._expect_more = expect_more
        self._first_of: dict[str, int] = {}
        for place, text in enumerate(texts):
            self._first_of.setdefault(text, place)
        self._found = Found([None] * len(texts))
        self._is_any_answered = False
        self._feed: Feed[APIResponse] | None = None
        self._batches: Sequence[Batch] = ()
        self._taken: set[int] = set()
        self._is_stopped = False

    def run(self) -> Found:
        """Everything that could be found, one entry a text. A text that failed has an error instead."""
        wanted = self._look_up()
        batches: Sequence[Batch] = list(self._cut(wanted))
        with self._display(len(batches)):
            self._send_all(batches)
        return self.found()

    def stop(self) -> None:
        """Cancel what is under way; `run` then returns what it has."""
        self._is_stopped = True
        if self._feed is not None:
            self._feed.stop()

    def found(self) -> Found:
        """What is there by now; what was not sent counts as cancelled. After `stop` it has all that had come."""
        if self._feed is not None:
            for position, response in self._feed.finished_rest():
                self._take(position, response)
        found = self._found
        for place, text in enumerate(self._texts):
            first = self._first_of[text]
            found.numbers[place] = found.numbers[first]
            if found.numbers[place] is None:
                found.errors[place] = found.errors.get(first, _CANCELLED)
        return found

    # --- what is known already

    def _look_up(self) -> list[int]:
        """The positions of the texts to send. What the cache has, or cannot be sent, is not among them."""
        wanted = []
        for text, place in self._first_of.items():
            problem = text_problem(text)
            if problem is not None:
                self._found.errors[place] = problem
            elif not self._is_known(place, text):
                wanted.append(place)
        if self._asked.stored is not None:
            known = {text for text, place in self._first_of.items() if self._found.numbers[place] is not None}
            self._found.from_cache = sum(text in known for text in self._texts)
        return wanted

    def _is_known(self, place: int, text: str) -> bool:
        stored = self._asked.stored
        self._found.numbers[place] = stored.find(text) if stored is not None else None
        return self._found.numbers[place] is not None

    # --- sending

    def _cut(self, places: Iterable[int]) -> Iterable[Batch]:
        sizes = ((place, estimate_text_tokens(self._texts[place])) for place in places)
        return cut(sizes, self._asked.limits, context_tokens=self._asked.context_tokens)

    def _send_all(self, batches: Sequence[Batch]) -> None:
        """Send the batches, and then again in halves those that were refused for a text."""
        bisection = Bisection()
        while batches and not self._is_stopped:
            refused = self._send(batches)
            batches, settled = bisection.next(refused, is_any_answered=self._is_any_answered)
            for each in settled:
                error = TextError(each.kind, each.message)
                self._found.errors.update(dict.fromkeys(each.batch, error))
            self._expect_more(len(batches))

    def _send(self, batches: Sequence[Batch]) -> list[Refused]:
        """Send the batches at once, as far as the limits go; those that brought nothing are returned."""
        asked = self._asked
        self._batches, self._taken = batches, set()
        self._feed = Feed(
            batches,
            self._prepare,
            asked.engine.start,
            asked.engine.cancel,
            window=_WINDOW_PER_WORKER * asked.workers,
            needs_all=True,
            on_response=self._keep,
        )
        if self._is_stopped:  # looked at after the feed can be found: `stop` sets the flag first, and stops it then
            self._feed.stop()
        try:
            taken = (self._take(position, response) for position, response in self._feed)
            return [refused for refused in taken if refused is not None]
        except ClientClosedError:  # closed by another thread; what was paid for goes to whoever made the call
            self._is_stopped = True
            return []
        except BaseException:
            self._feed.stop()
            raise

    def _prepare(self, position: int, batch: Batch) -> Job:
        asked = self._asked
        prompt = as_prompt([self._texts[place] for place in batch], query=asked.query)
        return asked.engine.prepare(position, prompt, run=asked.run, extras=asked.extras)

    # --- what comes

    def _keep(self, position: int, response: APIResponse) -> None:
        """In the worker that has the answer: what was paid for is stored before anything else can go wrong."""
        stored = self._asked.stored
        if stored is None or response.is_error:
            return
        for place, numbers in zip(self._batches[position], _numbers_of(response), strict=True):
            if numbers is not None:
                stored.keep(self._texts[place], numbers)

    def _take(self, position: int, response: APIResponse) -> Refused | None:
        """Take an answer in, once; what brought nothing is returned."""
        batch, found = self._batches[position], self._found
        if position in self._taken:
            return None
        self._taken.add(position)
        if response.usage is not None or response.cost is not None or not response.is_error:
            found.add_bill(response)
        if response.is_error:
            return Refused(batch, response.error_kind or "", response.error_message or "")
        self._is_any_answered = True
        for place, numbers in zip(batch, _numbers_of(response), strict=True):
            found.numbers[place] = numbers
            if numbers is None:
                found.errors[place] = _UNUSABLE
        return None


def _numbers_of(response: APIResponse) -> list[Any]:
    return list((response.raw_response or {})[NUMBERS])

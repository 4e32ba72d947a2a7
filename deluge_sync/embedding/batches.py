"""Which texts go into one request, and what becomes of a request that was refused: pure, on numbers of texts.

A provider refuses a whole request for one text that it does not take. What was refused is not billed, so it is sent
again in halves until the text is alone. Where the request itself is at fault, such as a setting that the model does
not know, that would be in vain; as long as nothing at all was answered only one request is taken apart to find out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from deluge_sync._adapters.embeddings.inputs import Limits
from deluge_sync._adapters.failure import FailureKind

__all__ = ["Batch", "Bisection", "Refused", "cut", "limits_for"]

Batch = Sequence[int]

# Estimates are not counts: so much of what is allowed is used.
_SHARE_USED: Final = 0.8
# A request of more than this part of a minute's tokens makes the others wait, and is itself hard to place.
_SHARE_OF_MINUTE: Final = 0.25
# A text that may well be too long spoils no batch.
_SHARE_OF_CONTEXT: Final = 0.9

_OF_A_TEXT: Final = frozenset(
    {
        FailureKind.CONTEXT_LENGTH,
        FailureKind.REQUEST_TOO_LARGE,
        FailureKind.CONTENT_FILTER,
        FailureKind.BUDGET,
        FailureKind.OVER_LIMIT,
    }
)
_OF_A_TEXT_OR_ALL: Final = FailureKind.BAD_REQUEST


def limits_for(limits: Limits, *, batch_size: int | None, tokens_per_minute: float | None) -> Limits:
    """What goes into one request at most: the provider's bounds, the user's, and a part of the minute's tokens."""
    texts = limits.texts if batch_size is None else min(limits.texts, batch_size)
    bounds = [limits.tokens * _SHARE_USED] if limits.tokens is not None else []
    if tokens_per_minute is not None:
        bounds.append(tokens_per_minute * _SHARE_OF_MINUTE)
    return Limits(texts, max(1, int(min(bounds))) if bounds else None)


def cut(sizes: Iterable[tuple[int, int]], limits: Limits, *, context_tokens: int | None = None) -> Iterator[list[int]]:
    """Batches of texts in their order, from (place, tokens) of each. Each text is in one batch.

    A text that fills what one request may hold, or nearly what the model can read, goes alone.
    """
    most = limits.tokens if limits.tokens is not None else float("inf")
    alone_from = context_tokens * _SHARE_OF_CONTEXT if context_tokens is not None else float("inf")
    batch: list[int] = []
    filled = 0
    for place, tokens in sizes:
        if tokens >= min(most, alone_from):
            yield [place]
            continue
        if batch and (len(batch) >= limits.texts or filled + tokens > most):
            yield batch
            batch, filled = [], 0
        batch.append(place)
        filled += tokens
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that brought nothing: its texts, and why."""

    batch: Batch
    kind: str
    message: str


class Bisection:
    """Says what of a call is sent again. Used by one thread."""

    def __init__(self) -> None:
        self._held: list[Refused] = []
        self._probe: frozenset[int] = frozenset()

    def next(self, refused: Iterable[Refused], *, is_any_answered: bool) -> tuple[list[Batch], list[Refused]]:
        """The batches to send now, and what is settled: those texts failed.

        `refused` is what came of the latest batches, `is_any_answered` whether any of this call was answered so far.
        Nothing is held back any more once there are no batches to send.
        """
        fresh = list(refused)
        is_in_vain = not is_any_answered and any(map(self._says_all_are_refused, fresh))
        waiting, self._held = [*self._held, *fresh], []
        halved: list[Batch] = []
        settled: list[Refused] = []
        for each in waiting:
            if _is_alone(each) or each.kind not in _DIVISIBLE or (is_in_vain and each.kind == _OF_A_TEXT_OR_ALL):
                settled.append(each)
            elif each.kind in _OF_A_TEXT or is_any_answered:
                halved += _halves(each.batch)
            else:
                self._held.append(each)
        return halved + self._next_probe(), settled

    def _says_all_are_refused(self, refused: Refused) -> bool:
        """Whether the probe came to its end: a single text, and nothing on the way to it was answered."""
        return _is_alone(refused) and refused.kind == _OF_A_TEXT_OR_ALL and refused.batch[0] in self._probe

    def _next_probe(self) -> list[Batch]:
        """The halves of the smallest of what is held."""
        if not self._held:
            return []
        probe = min(self._held, key=lambda each: len(each.batch))
        self._held.remove(probe)
        self._probe = frozenset(probe.batch)
        return _halves(probe.batch)


_DIVISIBLE: Final = _OF_A_TEXT | {_OF_A_TEXT_OR_ALL}


def _is_alone(refused: Refused) -> bool:
    return len(refused.batch) == 1


def _halves(batch: Batch) -> list[Batch]:
    middle = (len(batch) + 1) // 2
    return [batch[:middle], batch[middle:]]

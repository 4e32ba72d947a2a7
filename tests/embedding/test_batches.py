"""Which texts go together, and how a text that a provider does not take is found among thousands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deluge_sync._adapters.embeddings.inputs import Limits
from deluge_sync._adapters.failure import FailureKind
from deluge_sync.embedding.batches import Batch, Bisection, Refused, cut, limits_for

BAD, LONG, SERVER = FailureKind.BAD_REQUEST, FailureKind.CONTEXT_LENGTH, FailureKind.SERVER


def cut_of(sizes: list[int], limits: Limits, context_tokens: int | None = None) -> list[list[int]]:
    return list(cut(enumerate(sizes), limits, context_tokens=context_tokens))


# --- cutting


def test_a_batch_is_full_at_the_number_of_texts_or_of_tokens() -> None:
    assert cut_of([1] * 5, Limits(2)) == [[0, 1], [2, 3], [4]]
    assert cut_of([40, 40, 40, 10], Limits(9, 100)) == [[0, 1], [2, 3]]
    assert cut_of([], Limits(2)) == []


def test_a_text_that_fills_a_request_goes_alone() -> None:
    assert cut_of([1, 100, 1, 999, 1], Limits(9, 100)) == [[1], [3], [0, 2, 4]]


def test_a_text_that_may_be_too_long_for_the_model_goes_alone() -> None:
    assert cut_of([1, 95, 1], Limits(9), context_tokens=100) == [[1], [0, 2]]


@given(
    st.lists(st.integers(0, 50), max_size=60),
    st.integers(1, 9),
    st.none() | st.integers(1, 90),
    st.none() | st.integers(1, 60),
)
def test_each_text_is_in_one_batch_and_no_batch_holds_more_than_it_may(
    sizes: list[int], texts: int, tokens: int | None, context: int | None
) -> None:
    batches = cut_of(sizes, Limits(texts, tokens), context)

    assert sorted(place for batch in batches for place in batch) == list(range(len(sizes)))
    for batch in batches:
        assert batch == sorted(batch)
        assert 1 <= len(batch) <= texts
        assert len(batch) == 1 or tokens is None or sum(sizes[place] for place in batch) <= tokens


@pytest.mark.parametrize(
    ("limits", "batch_size", "per_minute", "expected"),
    [
        (Limits(96), None, None, Limits(96)),
        (Limits(96), 10, None, Limits(10)),
        (Limits(96), 1_000, None, Limits(96)),  # the provider's bound holds
        (Limits(2_048, 300_000), None, None, Limits(2_048, 240_000)),  # a fifth is left for estimates that are too low
        (Limits(2_048, 300_000), None, 100_000, Limits(2_048, 25_000)),  # a quarter of the minute
        (Limits(96), None, 2, Limits(96, 1)),
    ],
)
def test_what_a_request_holds_at_most(
    limits: Limits, batch_size: int | None, per_minute: float | None, expected: Limits
) -> None:
    assert limits_for(limits, batch_size=batch_size, tokens_per_minute=per_minute) == expected


# --- what is sent again


def run(batches: list[Batch], answer: Callable[[Batch], FailureKind | None]) -> tuple[set[int], dict[int, str], int]:
    """Play a call to its end: which texts were answered, which failed and how, and how many requests that took."""
    bisection, is_any_answered, requests = Bisection(), False, 0
    answered: set[int] = set()
    failed: dict[int, str] = {}
    while batches:
        refused = []
        for batch in batches:
            requests += 1
            assert requests < 100_000
            kind = answer(batch)
            if kind is None:
                answered |= set(batch)
                is_any_answered = True
            else:
                refused.append(Refused(batch, kind.value, "no"))
        batches, settled = bisection.next(refused, is_any_answered=is_any_answered)
        failed.update((place, each.kind) for each in settled for place in each.batch)
    return answered, failed, requests


def refusing(bad: set[int], kind: FailureKind) -> Callable[[Batch], FailureKind | None]:
    """A provider that does not take some texts."""
    return lambda batch: kind if bad & set(batch) else None


def test_a_text_that_is_too_long_costs_only_itself() -> None:
    answered, failed, requests = run([range(1_024)], refusing({700}, LONG))

    assert failed == {700: LONG}
    assert answered == set(range(1_024)) - {700}
    assert requests == 1 + 2 * 10  # both halves at each of ten levels


def test_a_bad_text_costs_only_itself_even_where_it_may_be_all_texts_fault() -> None:
    answered, failed, requests = run([range(1_024)], refusing({0}, BAD))

    assert failed == {0: BAD}
    assert answered == set(range(1, 1_024))
    assert requests == 21


def test_a_setting_that_the_model_does_not_know_is_not_tried_with_every_text() -> None:
    batches: list[Batch] = [range(start, start + 100) for start in range(0, 1_000, 100)]
    answered, failed, requests = run(batches, lambda _: BAD)

    assert not answered
    assert failed == dict.fromkeys(range(1_000), BAD)
    assert requests <= 10 + 2 * 7  # one of the ten is taken apart: 100, 50, 25, 13, 7, 4, 2, 1


def test_bad_texts_in_every_batch_are_found_although_nothing_was_answered_at_first() -> None:
    batches: list[Batch] = [range(start, start + 100) for start in range(0, 1_000, 100)]
    bad = set(range(50, 1_000, 100))
    answered, failed, _ = run(batches, refusing(bad, BAD))

    assert failed.keys() == bad
    assert answered == set(range(1_000)) - bad


def test_a_single_text_that_was_refused_says_nothing_of_the_others() -> None:
    """It may have been sent alone because it is long."""
    answered, failed, _ = run([[0], range(1, 9)], refusing({0, 5}, BAD))

    assert failed.keys() == {0, 5}
    assert answered == {1, 2, 3, 4, 6, 7, 8}


@pytest.mark.parametrize(
    "kind", [SERVER, FailureKind.AUTH, FailureKind.MALFORMED, FailureKind.CANCELLED, FailureKind.TIMEOUT]
)
def test_what_was_no_text_s_fault_is_not_taken_apart(kind: FailureKind) -> None:
    """It was tried again already, or was paid for, or no other text would fare better."""
    answered, failed, requests = run([range(64)], lambda _: kind)

    assert (answered, requests) == (set(), 1)
    assert failed == dict.fromkeys(range(64), kind)


@given(st.integers(1, 200), st.sets(st.integers(0, 199)), st.integers(1, 64), st.sampled_from([BAD, LONG]))
def test_every_text_ends_answered_or_failed(count: int, bad: set[int], size: int, kind: FailureKind) -> None:
    batches: list[Batch] = [range(start, min(start + size, count)) for start in range(0, count, size)]
    answered, failed, _ = run(batches, refusing(bad, kind))

    assert answered.isdisjoint(failed)
    assert answered | failed.keys() == set(range(count))
    if kind is LONG:
        assert failed.keys() == bad & set(range(count))

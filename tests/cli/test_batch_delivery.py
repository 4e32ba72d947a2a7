from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from deluge_sync.cli.batch_delivery import Delivery, Nowhere
from deluge_sync.cli.prompts import Prompt
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation, Message
from deluge_sync.response import APIResponse, Usage

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


class Kept(Nowhere):
    """Results with rows of the prompts in `had`."""

    def __init__(self, had: Sequence[int] = ()) -> None:
        self.answered = len(had)
        self.failed = 0
        self.rows: list[dict[str, Any]] = []
        self._had = had

    def has(self, index: int) -> bool:
        return index in self._had

    def append(self, row: bytes) -> None:
        self.rows.append(json.loads(row))


def answer(number: int, *, error: str | None = None, cost: float | None = 0.5) -> tuple[int, APIResponse]:
    usage = None if error else Usage(10, 3, cache_read_tokens=4)
    content = None if error else Message.ai(f"answer {number}")
    failed: dict[str, Any] = {"is_error": error is not None, "error_message": error, "error_kind": error}
    return number, APIResponse(
        number, "m", Conversation.user("q"), SamplingParams(), 200, **failed, usage=usage, content=content, cost=cost
    )


def prompts(*indexes: int) -> list[Prompt]:
    return [Prompt(index, index, f"id {index}", "q") for index in indexes]


def test_each_prompt_gets_one_row_however_many_jobs_have_it() -> None:
    results = Kept(had=[1])
    delivery = Delivery(results, run="r", records=9, clock=lambda: MOMENT)
    delivery.deliver([answer(0), answer(1), answer(2)], prompts(0, 1, 5))
    delivery.deliver([answer(0), answer(1)], prompts(5, 7))
    assert [(row["index"], row["id"], row["completion"]) for row in results.rows] == [
        (0, "id 0", "answer 0"),
        (5, "id 5", "answer 2"),
        (7, "id 7", "answer 1"),
    ]
    assert [delivery.has(index) for index in range(9)] == [index in (0, 1, 5, 7) for index in range(9)]
    assert delivery.lacks(prompts(0, 8))
    assert not delivery.lacks(prompts(0, 1, 5, 7))


def test_what_came_of_it_is_counted() -> None:
    delivery = Delivery(Kept(had=[8]), run="r", records=9, clock=lambda: MOMENT)
    answers = [answer(0), answer(1, error="expired"), answer(2, cost=None), answer(3, error="expired")]
    delivery.deliver(answers, prompts(0, 1, 2, 3))
    assert (delivery.answered, delivery.failed, delivery.written) == (3, 2, 4)
    assert dict(delivery.lines()) == {
        "answered": "3 (1 of all rows from before)",
        "failed": "2 (expired 2)",
        "tokens": "28 in, 6 out",
        "cost": "$0.5000, and 1 of unknown price",
    }
    assert delivery.document() == {
        "answered": 3,
        "failed": 2,
        "earlier": 1,
        "errors": {"expired": 2},
        "input_tokens": 28,
        "output_tokens": 6,
        "cost": 0.5,
        "unpriced": 1,
    }


def test_a_row_that_cannot_be_written_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Kept()
    delivery = Delivery(results, run="r", records=2, clock=lambda: MOMENT)

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "append", full)
    with pytest.raises(OSError, match="No space"):
        delivery.deliver([answer(0)], prompts(0))
    assert (delivery.written, delivery.has(0)) == (0, False)

"""Answers as values: what fits becomes one, what does not is None and costs nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync._engine.parsed import parsed_answer


class Sum(BaseModel):
    total: int


SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "text", "parsed"),
    [
        (Sum, '{"total": 4}', Sum(total=4)),
        (Sum, '```json\n{"total": 4}\n```', Sum(total=4)),
        (Sum, ' ```\n{"total": 4}```\n', Sum(total=4)),
        (SCHEMA, '{"total": 4}', {"total": 4}),
        (SCHEMA, "[1, 2]", [1, 2]),
        (None, '{"total": 4}', None),
        (Sum, None, None),
        (Sum, "", None),
        (Sum, '{"total": "many"}', None),
        (Sum, '{"total": 4', None),
        (SCHEMA, "four", None),
        (SCHEMA, "[" * 100_000, None),
        (SCHEMA, "9" * 5_000, None),
    ],
)
def test_an_answer_is_parsed_as_far_as_it_fits(schema: Any, text: str | None, parsed: Any) -> None:
    assert parsed_answer(schema, text) == parsed

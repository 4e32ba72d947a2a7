"""Writes the answers of batch jobs as rows of results, each prompt once, and tells what came of it.

A row is written as soon as its answer is read; a process that is stopped in between goes on with those that have none.
`batch` and `run --batch` use it. It waits for nothing and sends nothing itself.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deluge_sync.cli.exits import one_line
from deluge_sync.cli.rows import encode_row, make_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deluge_sync.cli.journal import Results
    from deluge_sync.cli.prompts import Prompt
    from deluge_sync.cli.schema import Schema
    from deluge_sync.response import APIResponse

__all__ = ["Delivery", "Nowhere"]


def _now() -> datetime:
    return datetime.now(UTC)


class Nowhere:
    """Results that are counted and not kept."""

    answered = failed = 0
    spent_usd = 0.0

    def has(self, index: int) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def append(self, row: bytes) -> None:
        """Let it go."""

    def close(self) -> None:
        """Nothing is held."""


class Delivery:
    """Rows for one results file. `answered` and `failed` count all that it holds, `written` those of this delivery.

    run: what each row bears. records: how many prompts there are at most; an index is below it.
    """

    def __init__(
        self,
        results: Results,
        *,
        run: str,
        records: int,
        schema: Schema | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.answered = results.answered
        self.failed = results.failed
        self.written = 0
        self._earlier = results.answered + results.failed
        self._results = results
        self._run = run
        self._schema = schema
        self._clock = clock
        self._delivered = bytearray(records)
        self._errors: Counter[str] = Counter()
        self._input_tokens = self._output_tokens = 0
        self._cost_usd = 0.0
        self._unpriced = 0

    def has(self, index: int) -> bool:
        """Whether the prompt at `index` has a row by now."""
        return bool(self._delivered[index]) or self._results.has(index)

    def lacks(self, prompts: Iterable[Prompt]) -> bool:
        """Whether any of the prompts has no row."""
        return any(not self.has(prompt.index) for prompt in prompts)

    def deliver(self, answers: Iterable[tuple[int, APIResponse]], prompts: Iterable[Prompt]) -> None:
        """Write a row for every answer whose prompt has none. Both come in the order of the job's prompts.

        Raises:
            ResultsError, BrokenPipeError: a row could not be written; all earlier ones are there.
        """
        for (_, response), prompt in zip(answers, prompts, strict=False):
            if not self.has(prompt.index):
                self._write(prompt, response)

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) pairs for people. Counts of prompts are of the whole results, all else is of this delivery."""
        earlier = f" ({self._earlier:,} of all rows from before)" if self._earlier else ""
        kinds = ", ".join(f"{one_line(kind)} {number:,}" for kind, number in sorted(self._errors.items()))
        unpriced = f", and {self._unpriced:,} of unknown price" if self._unpriced else ""
        return [
            ("answered", f"{self.answered:,}{earlier}"),
            ("failed", f"{self.failed:,}" + (f" ({kinds})" if kinds else "")),
            ("tokens", f"{self._input_tokens:,} in, {self._output_tokens:,} out"),
            ("cost", f"${self._cost_usd:,.4f}{unpriced}"),
        ]

    def document(self) -> dict[str, Any]:
        """The same for machines; `cost` is in US dollars, without the answers of unknown price."""
        return {
            "answered": self.answered,
            "failed": self.failed,
            "earlier": self._earlier,
            "errors": dict(self._errors),
            "input_tokens": self._input_tokens,
            "output_tokens": self._output_tokens,
            "cost": self._cost_usd,
            "unpriced": self._unpriced,
        }

    def _write(self, prompt: Prompt, response: APIResponse) -> None:
        row = make_row(prompt, response, self._run, finished_at=self._clock(), schema=self._schema)
        self._results.append(encode_row(row))
        self._delivered[prompt.index] = 1
        self._count(row, response)

    def _count(self, row: dict[str, Any], response: APIResponse) -> None:
        self.written += 1
        if row["error"] is None:
            self.answered += 1
        else:
            self.failed += 1
            self._errors[row["error"]["kind"]] += 1
        usage = response.usage
        if usage is None:
            return
        self._input_tokens += usage.total_tokens - usage.output_tokens
        self._output_tokens += usage.output_tokens
        if response.cost is None:
            self._unpriced += 1
        else:
            self._cost_usd += response.cost

"""Sends prompts through a client and writes each answer as it arrives: the part that `run` and `demo` share.

Each answer is written by the worker that has it, before that worker sends anything else: killed at any moment, a run
lacks at most the rows of the requests in flight. The prompts are fed in a thread of their own, because Ctrl-C is raised
in the main thread only, wherever that happens to be. The main thread waits, and on Ctrl-C or SIGTERM closes the client;
what had arrived by then is written. It opens no files and shows nothing itself.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deluge_sync.cli.rows import encode_row, make_row, timestamp
from deluge_sync.cli.summary import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from deluge_sync.cli.journal import Results
    from deluge_sync.cli.prompts import Prompt
    from deluge_sync.cli.schema import Schema
    from deluge_sync.client import LLMClient
    from deluge_sync.prompt import Conversation
    from deluge_sync.response import APIResponse
    from deluge_sync.tracker import Snapshot

__all__ = ["Session"]

_CLOSING_S = 5.0
_SIGNAL_CHECK_S = 0.25


def _now() -> datetime:
    return datetime.now(UTC)


class Session:
    """One run over one list of prompts.

    run: what each row bears. system: goes before every prompt. schema: what the answers have to fit. max_cost_usd:
    what all rows of the results may cost, those that are there already included. source: told in the row of the
    session's first answer, with the limits.

    `earlier` counts the rows that the results held at the beginning, `answered` and `failed` those they hold now,
    `written` those of this session, `held_back` the prompts that were refused because the money had run out; they have
    no row, and after the first of them no more are sent. `answer` is called once. `_writing` guards the results and
    these counts.
    """

    def __init__(
        self,
        client: LLMClient,
        results: Results,
        *,
        run: str,
        system: str | None = None,
        schema: Schema | None = None,
        max_cost_usd: float | None = None,
        source: Mapping[str, Any] | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.earlier = results.answered + results.failed
        self.written = 0
        self.held_back = 0
        self.answered = results.answered
        self.failed = results.failed
        self._client = client
        self._results = results
        self._run = run
        self._system = system
        self._schema = schema
        self._call = _call_arguments(schema, max_cost_usd, results.spent_usd)
        self._clock = clock
        self._opening: dict[str, Any] | None = _opening(client, source, clock()) if source is not None else None
        self._sent: dict[int, Prompt] = {}
        self._writing = threading.Lock()
        self._error: BaseException | None = None
        self._is_stopping = False
        self._is_over = threading.Event()

    def answer(self, prompts: Iterable[Prompt], *, total: int, show_progress: bool) -> None:
        """Send all prompts and return when each has a row. `total` is their number, for the display.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; every answer that had arrived has its row.
            ResultsError, BrokenPipeError: a row could not be written; nothing more is sent.
        """
        feeder = threading.Thread(target=self._send_all, args=(prompts, total, show_progress), daemon=True)
        feeder.name = "deluge-sync-feeder"
        try:
            feeder.start()
            while not self._is_over.wait(_SIGNAL_CHECK_S):
                pass  # an endless wait would not notice a Ctrl-C that came just before it
        except KeyboardInterrupt:
            self._is_stopping = True
            self._client.close()
            self._is_over.wait(_CLOSING_S)
            raise
        if self._error is not None:
            self._client.close()
            raise self._error

    def totals(self, bad_lines: int = 0) -> Totals:
        """What the results hold now, for the summary."""
        return Totals(self.answered, self.failed, self.earlier, bad_lines, self.held_back)

    def snapshot(self) -> Snapshot:
        """What the client has done, for the summary."""
        return self._client.tracker.snapshot()

    def _send_all(self, prompts: Iterable[Prompt], total: int, show_progress: bool) -> None:
        try:
            answers = self._client.process_prompts_iter(
                self._feed(prompts),
                show_progress=show_progress,
                total=total,
                on_response=self._write,
                **self._call,
            )
            with closing(answers):  # also ends the display
                deque(answers, maxlen=0)
        except BaseException as error:  # noqa: BLE001  (handed over to the main thread, which raises it)
            self._error = error
        finally:
            self._is_over.set()

    def _feed(self, prompts: Iterable[Prompt]) -> Iterator[Conversation]:
        """The conversations, read when the client asks for them; only the outstanding prompts are remembered."""
        for position, prompt in enumerate(prompts):
            if self._is_stopping:
                return
            self._sent[position] = prompt
            yield prompt.conversation(self._system)

    def _write(self, position: int, response: APIResponse) -> None:
        prompt = self._sent.pop(position)
        if response.error_kind == "cancelled":
            return  # it has no answer because we stopped: the next run sends it
        if response.error_kind == "budget":
            self._hold_back()
            return
        row = make_row(prompt, response, self._run, finished_at=self._clock(), schema=self._schema)
        is_error = row["error"] is not None
        if not is_error and (opening := self._take_opening()):
            row["session"] = opening
        line = encode_row(row)
        with self._writing:
            self._results.append(line)
            self.written += 1
            self.failed += is_error
            self.answered += not is_error

    def _hold_back(self) -> None:
        self._is_stopping = True
        with self._writing:
            self.held_back += 1

    def _take_opening(self) -> dict[str, Any] | None:
        with self._writing:
            opening, self._opening = self._opening, None
            return opening


def _call_arguments(schema: Schema | None, max_cost_usd: float | None, spent_usd: float) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if schema is not None:
        arguments["output_schema"] = schema.document
    if max_cost_usd is not None:
        arguments["max_cost"] = max(max_cost_usd - spent_usd, 0.0)
    return arguments


def _opening(client: LLMClient, source: Mapping[str, Any], began_at: datetime) -> dict[str, Any]:
    return {"began_at": timestamp(began_at), **source, **asdict(client.tracker.snapshot().limits)}

"""Turns prompts into files: a line each in the prompts file, and the requests of those that are sent in request files.

Nothing is sent here but what has to be fetched for a request. Prompts are read one by one and forgotten once they are
written, so a million of them take no more memory than ten. A prompt that cannot be read, built or fetched, and one that
the local cache answers, is in no request file. A request file has the requests of one model and stays below what
the provider takes; `work` journals them when all prompts are written.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from deluge_sync._adapters.call import Call
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._engine.job import Job, Run
from deluge_sync._secret import Secret
from deluge_sync.batch.backend import backend_of
from deluge_sync.batch.entries import dump_prompt, entry_line
from deluge_sync.batch.journal import create_private, sync_directory
from deluge_sync.batch.places import files_of, part_file, prompts_file
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, to_conversation
from deluge_sync.prompt.fetching import Fetcher, needs_fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from deluge_sync._adapters.call import Extras
    from deluge_sync._engine.cache_key import CacheKeys
    from deluge_sync._engine.local_cache import LocalCache
    from deluge_sync._engine.pool import Pool, Route
    from deluge_sync._http import HttpRequest
    from deluge_sync.response import APIResponse

__all__ = ["PlannedPart", "Planner"]

log = logging.getLogger(__name__)

# So many prompts may wait for what is fetched for them while those after them are read.
_FETCHED_AT_ONCE: Final = 16


@dataclass(slots=True)
class PlannedPart:
    """A request file in the making. `file` is open until it is full or all prompts are read."""

    number: int
    route: int
    file: BinaryIO
    requests: int = 0
    bytes: int = 0
    betas: set[str] = field(default_factory=set)

    def record(self) -> dict[str, Any]:
        """What the manifest keeps of it."""
        counts = {"part": self.number, "route": self.route, "requests": self.requests, "bytes": self.bytes}
        return {"record": "part", **counts, "betas": sorted(self.betas)}


class Planner:
    """Writes the files of one job. Used once, in one thread.

    keys, cache: of the client's local cache; `keys` None without one. check: called before each prompt; what it raises
        ends the planning.
    """

    def __init__(
        self,
        manifest: Path,
        pool: Pool,
        extras: Extras,
        *,
        token: str,
        batch_size: int,
        keys: CacheKeys | None,
        cache: LocalCache,
        fetcher: Fetcher,
        check: Callable[[], None],
    ) -> None:
        self._manifest = manifest
        self._pool = pool
        self._extras = extras
        self._token = token
        self._batch_size = batch_size
        self._keys = keys
        self._cache = cache
        self._fetcher = fetcher
        self._check = check
        self._run = Run()
        self._routes = {route: number for number, route in enumerate(pool.routes)}
        self._backends = [backend_of(route.model.api_spec) for route in pool.routes]
        self._parts: list[PlannedPart] = []
        self._open: dict[int, PlannedPart] = {}

    def plan(self, prompts: Iterable[Any]) -> tuple[list[PlannedPart], int]:
        """Write everything down. Gives the request files, all closed and on the disk, and the number of prompts.

        Raises:
            OSError: the disk is full.
            Whatever the iterable of prompts raises.
        """
        count = 0
        with create_private(prompts_file(self._manifest)) as file:
            for draft in self._drafts(prompts):
                file.write(self._written(count, draft))
                count += 1
            _sync(file)
        for part in list(self._open.values()):
            self._close(part)
        sync_directory(files_of(self._manifest))
        return self._parts, count

    # --- from a prompt to a draft: in the prompts' order, with fetching ahead

    def _drafts(self, prompts: Iterable[Any]) -> Iterator[_Draft]:
        waiting: deque[Future[_Draft]] = deque()
        for prompt in prompts:
            self._check()
            draft = self._draft(prompt)
            if not waiting and not draft.needs_fetch:
                yield draft
                continue
            waiting.append(_in_thread(self._fetched, draft) if draft.needs_fetch else _done(draft))
            while waiting and (waiting[0].done() or len(waiting) > _FETCHED_AT_ONCE):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _draft(self, prompt: Any) -> _Draft:
        try:
            conversation = to_conversation(prompt)
        except ConfigError as error:
            return _Draft(Conversation(), self._pool.choose(self._run), failure=_unsendable(error))
        prefer = conversation.model_used if self._extras.prefer_model == "last" else self._extras.prefer_model
        route = self._pool.choose(self._run, prefer=prefer)
        draft = _Draft(conversation, route, key=self._key(conversation))
        draft.hit = self._cache.find(self._job(draft))
        draft.needs_fetch = draft.hit is None and bool(needs_fetch(conversation, route.model.api_spec))
        return draft

    def _fetched(self, draft: _Draft) -> _Draft:
        try:
            draft.filled = self._fetcher.fill(draft.prompt, draft.route.model.api_spec)
        except ConfigError as error:
            draft.failure = _unsendable(error)
        return draft

    def _key(self, conversation: Conversation) -> str | None:
        if self._keys is None:
            return None
        try:
            return self._keys.key(conversation, self._extras)
        except (ConfigError, TypeError, ValueError, RecursionError):  # told when its request is built
            return None

    def _job(self, draft: _Draft) -> Job:
        """The draft as the local cache takes it."""
        job = Job(0, draft.prompt, self._run, draft.route, self._extras)
        job.cache_key = draft.key
        return job

    # --- from a draft to lines

    def _written(self, position: int, draft: _Draft) -> bytes:
        """The draft's line in the prompts file; its request is in a request file by then."""
        route = self._routes[draft.route]
        built = draft.failure or draft.hit or self._built(position, draft)
        if isinstance(built, Failure):
            return entry_line(_named(draft.prompt), route=route, failure=built)
        if isinstance(built, _Built):
            part = self._added(route, built)
            return entry_line(built.dumped_prompt, route=route, part=part, key=draft.key)
        return entry_line(_named(draft.prompt), route=route, hit=built)

    def _built(self, position: int, draft: _Draft) -> _Built | Failure:
        """The request's line, and the prompt's: what cannot be kept is not sent."""
        route = draft.route
        backend = self._backends[self._routes[route]]
        sendable = draft.filled or draft.prompt
        call = Call(sendable, route.model, route.params, route.base_url, route.api_key, self._extras)
        try:
            request = route.adapter.build_request(call)
            line = backend.write_line(f"{position}-{self._token}", request, route.model) + b"\n"
            dumped = dump_prompt(draft.prompt, is_sent=True)
        except ConfigError as error:
            return _unsendable(error)
        except Exception as error:  # what is unforeseen costs its own prompt and no other
            log.exception("prompt %d could not be written as a request", position)
            return _failure(FailureKind.INTERNAL, f"{type(error).__name__}: {error}")
        if len(line) > backend.limits.bytes:
            message = f"the request has {len(line):,} bytes, and a batch may have {backend.limits.bytes:,} in all"
            return _failure(FailureKind.REQUEST_TOO_LARGE, message)
        return _Built(line, dumped, _betas(request, backend.beta_header))

    def _added(self, route: int, built: _Built) -> int:
        """The number of the part that has the line now."""
        part = self._open.get(route)
        if part is not None and not self._has_room(part, built):
            self._close(part)
            part = None
        part = part or self._opened(route)
        part.file.write(built.line)
        part.requests += 1
        part.bytes += len(built.line)
        part.betas.update(built.betas)
        return part.number

    def _has_room(self, part: PlannedPart, built: _Built) -> bool:
        limits = self._backends[part.route].limits
        most = min(self._batch_size, limits.requests)
        return part.requests < most and part.bytes + len(built.line) <= limits.bytes

    def _opened(self, route: int) -> PlannedPart:
        number = len(self._parts)
        part = PlannedPart(number, route, create_private(part_file(self._manifest, number)))
        self._parts.append(part)
        self._open[route] = part
        return part

    def _close(self, part: PlannedPart) -> None:
        _sync(part.file)
        part.file.close()
        del self._open[part.route]

    def abandon(self) -> None:
        """Close what is open after something went wrong."""
        for part in self._open.values():
            part.file.close()


@dataclass(slots=True)
class _Draft:
    """A prompt between reading and writing. `filled` is the same with what was fetched for it."""

    prompt: Conversation
    route: Route
    key: str | None = None
    hit: APIResponse | None = None
    failure: Failure | None = None
    needs_fetch: bool = False
    filled: Conversation | None = None


@dataclass(frozen=True, slots=True)
class _Built:
    """A prompt that can be sent: the line of its request, and the prompt as it is kept."""

    line: bytes
    dumped_prompt: str
    betas: frozenset[str]


def _named(prompt: Conversation) -> str:
    """The prompt with its media only named; an empty one in the place of what cannot be written at all."""
    try:
        return dump_prompt(prompt, is_sent=False)
    except ConfigError:
        return dump_prompt(Conversation(), is_sent=False)


def _betas(request: HttpRequest, header: str | None) -> frozenset[str]:
    """What the request asks for in its beta header, which a batch says once for all its requests."""
    if header is None:
        return frozenset()
    values = [value for name, value in request.headers.items() if name.lower() == header]
    texts = [value.reveal() if isinstance(value, Secret) else value for value in values]
    return frozenset(beta.strip() for text in texts for beta in text.split(",") if beta.strip())


def _unsendable(error: ConfigError) -> Failure:
    return _failure(FailureKind.BAD_REQUEST, str(error))


def _failure(kind: FailureKind, message: str) -> Failure:
    return Failure(kind, message, may_have_been_processed=False)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _done(draft: _Draft) -> Future[_Draft]:
    future: Future[_Draft] = Future()
    future.set_result(draft)
    return future


def _in_thread(work: Callable[[_Draft], _Draft], draft: _Draft) -> Future[_Draft]:
    """A daemon of our own, as elsewhere: an executor would keep the program alive until it ends."""
    future: Future[_Draft] = Future()

    def run() -> None:
        try:
            future.set_result(work(draft))
        except BaseException as error:  # noqa: BLE001  (it is raised where the draft is waited for)
            future.set_exception(error)

    Thread(target=run, name="deluge-sync-fetch", daemon=True).start()
    return future

"""Opens a job to work on it: its journal with the lock, connections, accounts. The client lends the rest."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync._http import Transport
from deluge_sync.batch.accounts import Account, open_account
from deluge_sync.batch.desk import Desk
from deluge_sync.batch.journal import Journal
from deluge_sync.batch.places import load_job
from deluge_sync.errors import BatchError, MissingKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from deluge_sync._engine.finish import Finisher
    from deluge_sync._engine.pool import Route
    from deluge_sync.batch.manifest import Job, RouteRecord
    from deluge_sync.batch.patience import Pacer
    from deluge_sync.tracker import Tracker

__all__ = ["Lender", "desk_of", "glance", "open_desk", "planned"]

# Results may have any size.
_NO_END = 1 << 62


@dataclass(frozen=True, slots=True)
class Lender:
    """What a job needs of the client it is worked on for.

    open_route: the route for a stored one, with the client's key; `with_key=False` where nothing will be sent.
    make_finisher: counts, keeps and postprocesses responses.
    """

    open_route: Callable[..., Route]
    make_finisher: Callable[[], Finisher]
    extra_headers: Mapping[str, str]
    tracker: Tracker


@contextmanager
def open_desk(manifest: Path, lender: Lender, pacer: Pacer) -> Iterator[Desk]:
    """The job of a manifest, locked for as long as the block lasts.

    Raises:
        ConfigError: there is none.
        BatchError: somebody else is at work on it.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(Journal.open(manifest))
        yield stack.enter_context(desk_of(manifest, journal.append, lender, pacer))


@contextmanager
def glance(manifest: Path, lender: Lender, pacer: Pacer) -> Iterator[Desk]:
    """The same to look at and not to change, also while somebody else is at work on it. Raises ConfigError."""
    with desk_of(manifest, _refuse, lender, pacer) as desk:
        yield desk


@contextmanager
def desk_of(
    manifest: Path, append: Callable[[Mapping[str, Any]], None], lender: Lender, pacer: Pacer
) -> Iterator[Desk]:
    """A desk for the job of a manifest, which `append` writes."""
    job, transport = load_job(manifest), Transport(most_bytes=_NO_END)

    def open_one(number: int) -> Account:
        return open_account(_route(job.routes[number]), lender.extra_headers, transport)

    def _route(record: RouteRecord) -> Route:
        try:
            return lender.open_route(record, with_key=True)
        except MissingKeyError:
            if job.is_settled:  # everything is on this disk
                return lender.open_route(record, with_key=False)
            raise

    try:
        yield Desk(manifest, job, append, open_one, pacer)
    finally:
        transport.close()


def planned(job: Job, manifest: Path) -> Job:
    """The job, all of whose prompts are written down.

    Raises:
        BatchError: they are not, so that nothing can have been sent.
    """
    if job.prompts is None:
        raise BatchError(
            f"the batch job of {manifest} ended while its prompts were being written down: nothing was sent, and "
            "nothing is to be paid. Submit it again",
            manifest=manifest,
        )
    return job


def _refuse(record: Mapping[str, Any]) -> None:
    raise AssertionError(f"a job that is only looked at was to be changed: {record}")

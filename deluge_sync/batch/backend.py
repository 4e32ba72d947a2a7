"""What a provider's batches look like to the rest of this package: a module with the functions of `Backend`.

    write_line            planning     one line of a request file, from the request that the adapter built
    upload, mark, find, create   sending      a request file becomes a batch, once
    look, cancel          waiting      how far it is
    result_request        waiting      where its results are
    read_item             collecting   one result line, as what the adapter's `parse_reply` reads

A backend makes one step and tries nothing again; it decides nothing, keeps nothing and knows no file but the one it is
given. Endpoints are those of the typed SDK; they are called through a `Wire`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast

from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from deluge_sync._adapters.failure import Failure
    from deluge_sync._http import HttpReply, HttpRequest
    from deluge_sync.batch.wire import Wire
    from deluge_sync.models import Model
    from deluge_sync.sdk._base import Provider

__all__ = [
    "BACKENDS",
    "Backend",
    "BatchState",
    "Ending",
    "Item",
    "Limits",
    "PartToSend",
    "Phase",
    "backend_of",
    "has_backend",
]

Phase = Literal["open", "over", "refused", "held"]
Ending = Literal["completed", "expired", "cancelled", "failed"]

# By wire format. A module is loaded with the first job that needs it: the generated models behind it are large.
BACKENDS: Final[Mapping[str, str]] = {
    "openai": "deluge_sync.batch.openai",
    "openai-responses": "deluge_sync.batch.openai",
    "anthropic": "deluge_sync.batch.anthropic",
    "gemini": "deluge_sync.batch.gemini",
    "mistral": "deluge_sync.batch.mistral",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one batch may have. `bytes` are those of the request file, line ends included."""

    requests: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PartToSend:
    """One request file that is to become one batch.

    name: unlike that of any other part of any job; ASCII letters, digits and hyphens, at most 60. It goes into the
        provider's metadata or display name, for `find`.
    model: the one that all its requests are for.
    path: the request file, a line for each request, each ended by a line feed.
    betas: what the adapter asked for in the header `Backend.beta_header`, of all its requests together.
    file_id: what `upload` gave. mark: what `mark` gave just before the first attempt to create it.
    known_ids: batches that `find` must not take for this part's.
    """

    name: str
    model: Model
    path: Path
    requests: int
    betas: tuple[str, ...] = ()
    file_id: str | None = None
    mark: str | None = None
    known_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is.

    phase: "open" while it is queued or worked on; "over" when nothing will change any more, whatever came of it;
        "refused" when the provider never began it and never will; "held" when it did not begin it only because too
        much is queued already, so that the same may be created again later.
    succeeded, failed: of its requests so far; 0 where the provider does not tell yet.
    ending: why it is over, which is what becomes of requests without a result of their own.
    results: what `result_request` takes, one for each file of results, the answers before the errors. May be empty.
    problem: why it was refused or held.
    """

    batch_id: str
    phase: Phase
    succeeded: int = 0
    failed: int = 0
    ending: Ending = "completed"
    results: tuple[str, ...] = ()
    problem: Failure | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One result line. `outcome` is the reply that the same request would have got by itself, or why there is none."""

    custom_id: str
    outcome: HttpReply | Failure


class Backend(Protocol):
    """The batches of one provider. `wire` knows its place and key; what it raises is passed on (`CallFailedError`)."""

    name: str
    """What users call it: "openai". """
    provider: Provider
    """Of the typed SDK: headers, and how the key is shown."""
    limits: Limits
    beta_header: str | None
    """The header by which a request asks for what is not in the API yet, and which a batch needs as a whole."""

    def write_line(self, custom_id: str, request: HttpRequest, model: Model) -> bytes:
        """The line for `request`, which `model`'s adapter has built, without a line end. Pure.

        custom_id: 1 to 64 letters, digits and hyphens.
        """
        ...

    def upload(self, wire: Wire, part: PartToSend) -> str | None:
        """Upload the request file and return its id; None where it goes with `create`. May be done twice: a file that
        no batch names costs nothing."""
        ...

    def mark(self, wire: Wire, part: PartToSend) -> str | None:
        """What `find` needs to know of the time before `create`, such as the newest batch; None if it needs nothing."""
        ...

    def find(self, wire: Wire, part: PartToSend) -> str | None:
        """The id of a batch that an earlier `create` of this part has made, although nobody heard the reply.

        None: there is none. A batch that was refused or held is none either.
        """
        ...

    def create(self, wire: Wire, part: PartToSend) -> str:
        """Start the batch and return its id. Called once for each time it is to be bought."""
        ...

    def look(self, wire: Wire, batch_id: str) -> BatchState:
        """Ask how far it is."""
        ...

    def cancel(self, wire: Wire, batch_id: str) -> None:
        """Stop it. Not an error where it is over already."""
        ...

    def result_request(self, wire: Wire, reference: str) -> HttpRequest:
        """The request whose reply is one file of results, JSON Lines. Pure.

        reference: one of `BatchState.results`.
        """
        ...

    def read_item(self, line: Mapping[str, Any]) -> Item:
        """What a result line says. Pure.

        Raises:
            ReplyFormatError: it is no result line.
        """
        ...


def has_backend(api_spec: str) -> bool:
    """Whether models of this wire format can be asked in batches."""
    return api_spec in BACKENDS


def backend_of(api_spec: str) -> Backend:
    """The backend for models of this wire format.

    Raises:
        ConfigError: there is none.
    """
    if api_spec not in BACKENDS:
        known = ", ".join(sorted(BACKENDS))
        raise ConfigError(f"there are no batch jobs for the wire format {api_spec!r}; there are for {known}")
    return cast("Backend", import_module(BACKENDS[api_spec]))

"""What is known of one batch job: its routes, its parts, and how far each is. Pure: records go in, state comes out.

A manifest is a journal of JSON records. Each says one thing that has happened, or that is about to happen where a crash
in between would leave that open (`creating`). The state is what all records in their order make of it, so that a job
goes on wherever it was left. Keys are in none of them. `journal` reads and writes the file.

    job .. part(s) .. planned .. uploaded .. creating .. created .. over .. fetched
                                    ^           │  └── held (the provider's queue is full: creating again, later)
                                    └───────────┴── refused (its prompts are error responses)

A part that is too large for the queue all by itself is `split`: smaller parts take its place, each from `written` on.
A batch that was taken for the part's own and turns out to be another's is `mistaken`: the part is in creation again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal

from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from deluge_sync.batch.backend import Ending

__all__ = ["Job", "Part", "PartPhase", "RouteRecord", "failure_of_record", "failure_record", "replay", "token_of"]

VERSION: Final = 1

PartPhase = Literal["written", "uploaded", "creating", "created", "held", "refused", "split", "over", "fetched"]


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A model of the pool as it was when the job was planned, and where it is asked."""

    model: Model
    params: Mapping[str, Any]
    base_url: str
    backend: str
    """What users call the provider: "openai"."""

    def to_record(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "model": asdict(self.model)}

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> RouteRecord:
        """What `to_record` gave. Fields of a later version are passed over."""
        return cls(_model(stored["model"]), stored["params"], stored["base_url"], stored["backend"])


@dataclass(slots=True)
class Part:
    """One request file and the batch that came of it. `alias` stands for it until the provider has given an id.

    earlier_ids: of batches that were held or turned out not to be ours. tries: how often it was held in a row.
    was_found: its batch was made without our hearing of it, and looked up. pieces: the numbers of the parts that took
    its place. first: the position of the first prompt of a part that is such a piece.
    """

    number: int
    route: int
    requests: int
    bytes: int
    alias: str
    betas: tuple[str, ...] = ()
    phase: PartPhase = "written"
    file_id: str | None = None
    mark: str | None = None
    batch_id: str | None = None
    earlier_ids: list[str] = field(default_factory=list)
    tries: int = 0
    was_found: bool = False
    pieces: tuple[int, ...] = ()
    first: int = 0
    ending: Ending = "completed"
    results: tuple[str, ...] = ()
    succeeded: int = 0
    failed: int = 0
    problem: Failure | None = None

    @property
    def id(self) -> str:
        """What users know it by."""
        return self.batch_id or self.alias

    @property
    def provider_ids(self) -> tuple[str, ...]:
        """Of all batches that were made of it or taken for it."""
        return (*self.earlier_ids, *([self.batch_id] if self.batch_id else []))

    @property
    def ids(self) -> tuple[str, ...]:
        """Everything that may stand for it."""
        return (self.alias, *self.provider_ids)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be asked of the provider."""
        return self.phase in ("refused", "split", "fetched")


@dataclass(slots=True)
class Job:
    """One job as its manifest tells it. `prompts` is None until all of them have been read and written down."""

    id: str
    created_at: float
    routes: list[RouteRecord]
    name: str | None = None
    output_schema: Any = None
    parts: list[Part] = field(default_factory=list)
    prompts: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether every result that there will ever be is on this disk."""
        return self.prompts is not None and all(part.is_settled for part in self.parts)

    @property
    def token(self) -> str:
        """What stands in the custom ids of its requests, so that they are unlike those of other jobs."""
        return token_of(self.id)

    def route_of(self, part: Part) -> RouteRecord:
        """Who answers the part."""
        return self.routes[part.route]

    @property
    def roots(self) -> list[Part]:
        """The parts as they were planned, in the order of their prompts."""
        pieces = {number for part in self.parts for number in part.pieces}
        return [part for part in self.parts if part.number not in pieces]

    def leaves(self, parts: Iterable[Part]) -> list[Part]:
        """The parts, those that were split replaced by what took their place."""
        found: list[Part] = []
        for part in parts:
            found += self.leaves(self.parts[number] for number in part.pieces) if part.pieces else [part]
        return found

    def leaf(self, number: int, position: int) -> Part:
        """The part that has the prompt at a position, which was put into the part of this number."""
        part = self.parts[number]
        while part.pieces:
            begun = [piece for piece in map(self.parts.__getitem__, part.pieces) if piece.first <= position]
            part = max(begun, key=lambda piece: piece.first)
        return part

    def part_named(self, batch_id: str) -> Part | None:
        """The part that this id stands for, or stood for once."""
        return next((part for part in self.parts if batch_id in part.ids), None)

    def apply(self, record: Mapping[str, Any]) -> None:
        """Take in what has happened. Records of a kind that a later version may write change nothing."""
        kind = record["record"]
        if kind == "part":
            self.parts.append(_part(self, record))
        elif kind == "split":
            self._split(self.parts[record["part"]], record["into"])
        elif kind == "planned":
            self.prompts = record["prompts"]
        elif kind in _CHANGES:
            _CHANGES[kind](self.parts[record["part"]], record)

    def _split(self, part: Part, into: Iterable[Mapping[str, Any]]) -> None:
        pieces = [_part(self, {"route": part.route, "betas": part.betas, **told}) for told in into]
        self.parts += pieces
        _set_aside(part)
        part.phase, part.pieces = "split", tuple(piece.number for piece in pieces)


def token_of(job_id: str) -> str:
    """The random part of a job's id."""
    return job_id.rpartition("-")[2]


def replay(records: Iterable[Mapping[str, Any]]) -> Job:
    """The job that the records of a manifest describe.

    Raises:
        ConfigError: they describe none.
    """
    job: Job | None = None
    try:
        for record in records:
            if job is None:
                job = _job(record)
            else:
                job.apply(record)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigError(f"not a manifest of a batch job: {type(error).__name__}: {error}") from error
    if job is None:
        raise ConfigError("not a manifest of a batch job: it is empty")
    return job


def failure_record(failure: Failure) -> dict[str, Any]:
    """A failure as JSON."""
    return {"kind": failure.kind.value, "message": failure.message, "status": failure.status, "code": failure.code}


def failure_of_record(stored: Mapping[str, Any]) -> Failure:
    """What `failure_record` gave. A kind that is not known here counts as unforeseen."""
    known = stored["kind"] in FailureKind.__members__.values()
    kind = FailureKind(stored["kind"]) if known else FailureKind.INTERNAL
    return Failure(kind, stored["message"], stored.get("status"), code=stored.get("code"))


def _job(record: Mapping[str, Any]) -> Job:
    if record["record"] != "job" or record["version"] > VERSION:
        raise ConfigError(f"not a manifest that this version reads: {dict(record)!r:.200}")
    routes = [RouteRecord.from_record(stored) for stored in record["routes"]]
    return Job(record["id"], record["created_at"], routes, record.get("name"), record.get("output_schema"))


def _part(job: Job, record: Mapping[str, Any]) -> Part:
    number = record["part"]
    return Part(
        number,
        record["route"],
        record["requests"],
        record["bytes"],
        alias=f"{job.id}-{number}",
        betas=tuple(record.get("betas", ())),
        first=record.get("first", 0),
    )


def _model(stored: Mapping[str, Any]) -> Model:
    known = {each.name for each in fields(Model)}
    values = {name: value for name, value in stored.items() if name in known}
    tiers = {tier: tuple(costs) for tier, costs in values.get("tier_costs", {}).items()}
    for name in ("key_env_vars", "region_env_vars"):
        values[name] = tuple(values.get(name, ()))
    return Model(**{**values, "tier_costs": tiers})


# --- what each record changes


def _uploaded(part: Part, record: Mapping[str, Any]) -> None:
    part.phase, part.file_id = "uploaded", record["file_id"]


def _creating(part: Part, record: Mapping[str, Any]) -> None:
    part.phase, part.mark = "creating", record.get("mark")


def _created(part: Part, record: Mapping[str, Any]) -> None:
    part.phase, part.batch_id, part.problem = "created", record["batch_id"], None
    part.was_found = record.get("was_found", False)


def _held(part: Part, record: Mapping[str, Any]) -> None:
    """Not begun, because too much is queued already."""
    _set_aside(part)
    part.phase, part.problem = "held", failure_of_record(record["problem"])
    part.tries += 1


def _refused(part: Part, record: Mapping[str, Any]) -> None:
    part.phase, part.problem = "refused", failure_of_record(record["problem"])


def _over(part: Part, record: Mapping[str, Any]) -> None:
    part.phase, part.ending, part.results = "over", record["ending"], tuple(record["results"])
    part.succeeded, part.failed = record.get("succeeded", 0), record.get("failed", 0)


def _fetched(part: Part, _: Mapping[str, Any]) -> None:
    part.phase = "fetched"


def _mistaken(part: Part, _: Mapping[str, Any]) -> None:
    _set_aside(part)
    part.phase = "creating"


def _set_aside(part: Part) -> None:
    if part.batch_id is not None:
        part.earlier_ids.append(part.batch_id)
        part.batch_id = None


_CHANGES: Final[Mapping[str, Callable[[Part, Mapping[str, Any]], None]]] = {
    "uploaded": _uploaded,
    "creating": _creating,
    "created": _created,
    "held": _held,
    "mistaken": _mistaken,
    "refused": _refused,
    "over": _over,
    "fetched": _fetched,
}

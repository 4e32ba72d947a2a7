"""What the commands of `batch` do: files of prompts become jobs, and the answers of jobs become rows of results.

Jobs are found by their manifest, their id or that of one of their batches. A job that belongs to the same run (the same
prompts and settings) and is not finished is gone on with, so that a command which is given twice buys nothing twice.
`batch` has the commands; this sends nothing itself but asks the client to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deluge_sync.cli.batch_rows import RunRecord, keep_rows, read_prompts, read_run, rows_file
from deluge_sync.cli.connect import read_environment, read_key
from deluge_sync.cli.exits import BadInputError, Exit, ResultsError, Terminated, Voice
from deluge_sync.cli.journal import RunKey
from deluge_sync.errors import BatchError, BatchInterrupted, ConfigError

if TYPE_CHECKING:
    from deluge_sync.batch.ids import BatchIds
    from deluge_sync.batch.status import JobStatus
    from deluge_sync.cli.batch_delivery import Delivery
    from deluge_sync.cli.journal import Mode
    from deluge_sync.cli.prompts import Prompt
    from deluge_sync.client import LLMClient

__all__ = [
    "Asked",
    "Prompts",
    "all_jobs",
    "as_kept",
    "client_for",
    "deliver",
    "find_manifest",
    "hand_in",
    "jobs_of_run",
    "plain_errors",
    "run_of",
    "submit",
]

Prompts = Callable[[], Iterable["Prompt"]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job is to be made of. `prompts` gives them anew each time: they are read twice.

    manifest: where the job's is to be; None for the usual directory, under a new id. batch_size: requests in one batch
    at most; None for the client's own.
    """

    prompts: Prompts
    run: RunRecord
    system: str | None = None
    manifest: Path | None = None
    batch_size: int | None = None


def submit(client: LLMClient, asked: Asked) -> BatchIds:
    """Make a job and hand it to the provider. What rows need to know is on the disk before.

    Raises:
        BatchError, ConfigError, BatchInterrupted: as the client's calls.
        BadInputError: a job is where the manifest is to be.
        ResultsError: the disk is full; nothing was sent.
    """
    manifest = asked.manifest or new_manifest()
    if manifest.exists():  # its rows are not to be written over
        raise BadInputError(f"--manifest {manifest}: a job is there already; choose another place")
    keep_rows(manifest, asked.run, asked.prompts())
    call: dict[str, Any] = {} if asked.run.schema is None else {"output_schema": dict(asked.run.schema)}
    if asked.batch_size is not None:
        call["batch_size"] = asked.batch_size
    prompts = (prompt.conversation(asked.system) for prompt in asked.prompts())
    try:
        return client.submit_batch_job_sync(prompts, manifest=manifest, **call)
    finally:
        if not manifest.exists():  # there is no job, because its prompts could not be written down
            rows_file(manifest).unlink(missing_ok=True)


def deliver(
    client: LLMClient, manifest: Path, delivery: Delivery, *, poll_s: float | None, show_progress: bool
) -> None:
    """Send what is missing of the job, wait until it is over, and write its answers as rows.

    Raises:
        BatchError, ConfigError, BatchInterrupted: as the client's calls.
        ResultsError, BrokenPipeError: a row could not be written; all earlier ones are there.
    """
    pause = {} if poll_s is None else {"poll_interval": poll_s}
    with closing(client.iter_batch_job(manifest, show_progress=show_progress, **pause)) as answers:
        try:
            delivery.deliver(answers, read_prompts(manifest))
        except BatchInterrupted:
            raise
        except KeyboardInterrupt as stop:  # it came while a row was written
            raise BatchInterrupted(manifest) from stop


def client_for(keys: Mapping[str, Any]) -> LLMClient:
    """A client with the user's keys. Everything else that a job needs is in its manifest."""
    from deluge_sync.client import LLMClient  # as above

    environment = read_environment(keys["env_file"])
    variable = keys["api_key_env"]
    return LLMClient(env=environment, api_key=None if variable is None else read_key(variable, environment))


def new_manifest() -> Path:
    """A free place in the usual directory, named after a new id."""
    from deluge_sync.batch.places import default_directory, new_job_id  # loads the client, which --help needs not

    return default_directory() / f"{new_job_id(time.time())}.jsonl"


def find_manifest(target: str) -> Path:
    """The manifest that a user means: a file, or that of the job with this id, or with a batch of this id.

    Raises:
        BadInputError: there is none.
    """
    path = Path(target)
    if path.is_file():
        return path
    for job in all_jobs():
        if target in (job.id, job.manifest.stem, *(part.id for part in job.parts)):
            return job.manifest
    raise BadInputError(
        f"{target}: no such manifest, and no job or batch has that id; 'batch list' shows what there is"
    )


def all_jobs() -> list[JobStatus]:
    """The jobs that are known here, the newest first, as their manifests tell them."""
    from deluge_sync.batch.status import list_jobs  # as above

    return list_jobs()


def as_kept(manifest: Path) -> JobStatus:
    """How a job stands as its manifest tells it. Nothing is asked of a provider.

    Raises:
        ConfigError: it is no manifest.
    """
    from deluge_sync.batch.places import load_job  # as above
    from deluge_sync.batch.status import status_of

    return status_of(manifest, load_job(manifest), {})


def run_of(job: JobStatus) -> RunRecord:
    """The run that a job is part of.

    Raises:
        BadInputError: it cannot be told, or not all prompts of the job were written down, so that nothing was sent.
    """
    if job.prompts is None:
        raise BadInputError(f"{job.manifest}: it was stopped before all prompts were read; nothing was sent")
    return read_run(job.manifest, job_id=job.id, prompts=job.prompts)


def jobs_of_run(key: RunKey, *, mode: Mode = "resume") -> Iterator[JobStatus]:
    """The jobs of the same run whose answers may be missing in its results, the newest first.

    mode: what becomes of rows that are there. With "retry" finished jobs are left out: failed ones are to be bought
    again. With "restart" and "overwrite" all are.
    """
    if mode not in ("resume", "retry"):
        return
    for job in all_jobs():
        is_wanted = job.prompts is not None and (mode == "resume" or job.state != "fetched")
        if is_wanted and rows_file(job.manifest).exists() and run_of(job).key == key:
            yield job


def hand_in(client: LLMClient, asked: Asked, *, again: bool, note: Callable[[str], None]) -> list[Path]:
    """See to it that every prompt is in a job that the provider has: go on with the unfinished jobs of the same run,
    and make one of the prompts that are in none; `again` makes one of all. Returns the manifests of these jobs.

    Raises:
        BatchError, ConfigError, BatchInterrupted: as the client's calls.
        BadInputError: a job of other prompts or settings is where the manifest is to be.
    """
    found = [] if again else _under_way(asked)
    covered = bytearray(asked.run.records)
    for manifest in found:
        note(f"these prompts are under way with these settings in {manifest} (--again makes a new job)")
        client.send_batch_job_sync(manifest)
        for prompt in read_prompts(manifest):
            covered[prompt.index] = 1
    rest = replace(asked, prompts=lambda: (prompt for prompt in asked.prompts() if not covered[prompt.index]))
    if any(True for _ in rest.prompts()):
        found.append(submit(client, rest).manifest)
    return found


def _under_way(asked: Asked) -> list[Path]:
    """The manifests of unfinished jobs for the same run; where a place for the manifest was named, that one only."""
    place = asked.manifest
    if place is None:
        return [job.manifest for job in jobs_of_run(asked.run.key, mode="retry")]
    if not place.exists():
        return []
    if not rows_file(place).exists() or read_run(place, job_id="", prompts=0).key != asked.run.key:
        raise BadInputError(f"--manifest {place}: a job of other prompts or settings is there; choose another place")
    return [place]


@contextmanager
def plain_errors(voice: Voice) -> Iterator[list[Exit]]:
    """While inside, what the client raises ends the command with one line. After an interruption the list that is
    handed out holds the exit status.

    Raises:
        BadInputError: the job cannot go on for now, or what was given cannot be used.
        ResultsError: the disk is full.
    """
    ended: list[Exit] = []
    try:
        yield ended
    except BatchInterrupted as stop:
        voice.note(f"interrupted; the provider goes on with what it has, and 'batch wait {stop.manifest}' waits for it")
        ended.append(Exit.TERMINATED if isinstance(stop.__context__, Terminated) else Exit.INTERRUPTED)
    except (BatchError, ConfigError) as error:
        raise BadInputError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResultsError(f"cannot write {error.filename or 'a file'}: {error.strerror}") from error

"""`deluge-sync batch`: prompts as batch jobs, which providers answer within a day and mostly at half the price.

What a job is stands in its manifest, so that every command here works in another process and on another day: `submit`
makes one, the others take its manifest, its id or that of one of its batches. `run --batch` is `run_as_batch`. How a
job is made, found and delivered is in `batch_work`; here are options and words.
"""

from __future__ import annotations

import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deluge_sync.cli.batch_delivery import Delivery, Nowhere
from deluge_sync.cli.batch_rows import RunRecord, read_prompts
from deluge_sync.cli.batch_table import document, job_rows, show, tell
from deluge_sync.cli.batch_work import (
    Asked,
    Prompts,
    all_jobs,
    as_kept,
    client_for,
    deliver,
    find_manifest,
    hand_in,
    jobs_of_run,
    plain_errors,
    run_of,
    submit,
)
from deluge_sync.cli.connect import ClientOptions, client_settings, open_client, read_environment
from deluge_sync.cli.exits import BadInputError, Exit, Voice
from deluge_sync.cli.journal import Results, RunKey, Stream, open_journal
from deluge_sync.cli.options import ANSWER, CLIENT, KEYS, MANNERS, at_least_1, voice_of, with_options
from deluge_sync.cli.prompts import PromptFile, open_prompts
from deluge_sync.cli.run import INPUT, BadLines, check_images
from deluge_sync.cli.run_key import settings_digest
from deluge_sync.cli.schema import Schema, read_schema
from deluge_sync.cli.summary import show_lines

if TYPE_CHECKING:
    from deluge_sync.batch.status import JobStatus
    from deluge_sync.cli.journal import Mode
    from deluge_sync.client import LLMClient

__all__ = ["command", "run_as_batch"]

_STDOUT = "-"
_FINISHED = ("over", "fetched")

_NEW = (
    click.option(
        "--manifest", type=click.Path(path_type=Path), metavar="FILE", help="Where the job is kept, if not as usual."
    ),
    click.option("--batch-size", type=at_least_1, metavar="N", help="Requests in one batch at most.  [default: 50000]"),
    click.option("--again", is_flag=True, help="Make a new job, whatever is under way."),
)
_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="RESULTS",
    help="Results file, or - for standard output.",
)
_WAITING = (
    click.option(
        "--poll", "poll_s", type=click.FloatRange(min=0.01), metavar="SECONDS", help="Look this often.  [default: 60]"
    ),
    click.option("--no-progress", "progress", flag_value=False, default=True, help="No live display."),
)


@click.group("batch", short_help="make batch jobs, follow them, and write down their answers")
def command() -> None:
    """Prompts as batch jobs: answered within a day, mostly at half the price.

    A job is known by its manifest, a file that outlives this process: JOB below is that file, the job's id, or the id
    that the provider gave to one of its batches. Manifests are kept in ~/.local/state/deluge_sync/batches.

    \b
    Examples:
      deluge-sync batch submit prompts.jsonl --model claude-haiku-4.5
      deluge-sync batch list
      deluge-sync batch wait 20261123-140501-5f3a9c1e -o results.jsonl
    """


@command.command("submit", short_help="make a job and hand it to the provider")
@click.argument("prompts", type=click.Path(allow_dash=True))
@with_options(_NEW, INPUT, CLIENT, ANSWER, MANNERS)
def submit_command(prompts: str, **options: Any) -> None:
    """Make a job of every prompt in PROMPTS, and hand it to the provider.

    PROMPTS and the options are those of run. Stopped in the middle, the same command goes on with the same job and buys
    nothing twice; --again makes another.
    """
    voice, wanted = voice_of(options), ClientOptions.taken_from(options)
    click.get_current_context().exit(_submit(prompts, wanted, voice, **options))


@command.command("status", short_help="ask the provider how far a job is")
@click.argument("target", metavar="JOB")
@with_options(KEYS, MANNERS)
def status_command(target: str, **options: Any) -> None:
    """Ask the provider how far a job is."""
    voice, manifest = voice_of(options), find_manifest(target)
    with plain_errors(voice) as ended, client_for(options) as client:
        tell([client.batch_job_status_sync(manifest)], voice)
    click.get_current_context().exit(ended[0] if ended else Exit.OK)


@command.command("wait", short_help="wait until a job is over, and write its answers")
@click.argument("target", metavar="JOB")
@_OUTPUT
@with_options(_WAITING, KEYS, MANNERS)
def wait_command(target: str, **options: Any) -> None:
    """Wait until a job is over, and write its answers to RESULTS if -o names it.

    What was not sent yet is sent first. Ctrl-C stops the waiting and not the job.
    """
    voice, manifest = voice_of(options), find_manifest(target)
    click.get_current_context().exit(_collect(manifest, voice, **options))


@command.command("results", short_help="write the answers of a job that is over")
@click.argument("target", metavar="JOB")
@_OUTPUT
@with_options(KEYS, MANNERS)
def results_command(target: str, **options: Any) -> None:
    """Write the answers of a job that is over, one JSON line a prompt as run does. Does not wait.

    RESULTS may hold rows of the same run already; only prompts without one get another. run goes on with it too, so
    that --retry-errors there sends the failed ones again. Without -o they go to standard output.
    """
    voice, manifest = voice_of(options), find_manifest(target)
    output = options.pop("output") or _STDOUT
    click.get_current_context().exit(_collect(manifest, voice, output=output, waits=False, **options))


@command.command("cancel", short_help="stop a job")
@click.argument("target", metavar="JOB")
@with_options(KEYS, MANNERS)
def cancel_command(target: str, **options: Any) -> None:
    """Stop a job. What is answered by then is paid for, and results hands it out."""
    voice, manifest = voice_of(options), find_manifest(target)
    with plain_errors(voice) as ended, client_for(options) as client:
        client.cancel_batch_job_sync(manifest)
        tell([client.batch_job_status_sync(manifest)], voice)
    click.get_current_context().exit(ended[0] if ended else Exit.OK)


@command.command("list", short_help="list the jobs that are known here")
@with_options(MANNERS)
def list_command(**options: Any) -> None:
    """List the jobs, the newest first, as their manifests tell them. Nothing is asked of a provider."""
    voice, jobs = voice_of(options), all_jobs()
    if voice.is_json:
        voice.document([document(job) for job in jobs])
    elif jobs:
        show(job_rows(jobs, now=time.time()))
    else:
        voice.note("no batch jobs")


def run_as_batch(
    client: LLMClient,
    prompts: Prompts,
    results: Results,
    run: RunRecord,
    *,
    system: str | None,
    mode: Mode,
    voice: Voice,
    show_progress: bool,
    poll_s: float | None = None,
) -> Exit:
    """Answer prompts by a batch job and write a row for each: what `run --batch` does. Returns how it ended.

    Unfinished jobs of the same run are waited for first; what they do not answer becomes a new one. `prompts` gives
    those that have no row, anew each time it is called.

    Raises:
        BadInputError: the job cannot go on for now.
        ResultsError, BrokenPipeError: a row could not be written; all earlier ones are there.
    """
    delivery = Delivery(results, run=str(run.key), records=run.records, schema=_schema(run))
    way: dict[str, Any] = {"poll_s": poll_s, "show_progress": show_progress}
    with plain_errors(voice) as ended:
        for job in jobs_of_run(run.key, mode=mode):
            if delivery.lacks(read_prompts(job.manifest)):
                voice.note(f"going on with the batch job of {job.manifest}")
                deliver(client, job.manifest, delivery, **way)
        asked = Asked(lambda: (prompt for prompt in prompts() if not delivery.has(prompt.index)), run, system)
        if any(True for _ in asked.prompts()):
            manifest = submit(client, asked).manifest
            voice.note(f"submitted; the job is kept in {manifest}")
            deliver(client, manifest, delivery, **way)
    return _ending(delivery, voice, ended)


# --- what the commands do


def _submit(
    prompts: str,
    wanted: ClientOptions,
    voice: Voice,
    *,
    manifest: Path | None,
    batch_size: int | None,
    again: bool,
    system: str | None,
    limit: int | None,
    **given: Any,
) -> Exit:
    environment = read_environment(wanted.env_file)
    schema = None if given["schema"] is None else read_schema(given["schema"]).document
    opened = open_prompts(
        prompts, given["file_format"], allow_local_files=given["allow_local_files"], images=given["images"]
    )
    with opened as file:
        survey = file.survey(BadLines(voice, is_skipping=given["skip_bad_lines"]))
        check_images(prompts, given["images"], survey)
        if not survey.good:
            voice.note(f"{prompts} holds no prompts")
            return Exit.OK
        with plain_errors(voice) as ended, open_client(wanted, environment) as client:
            more = {"schema": schema, "images": given["images"]}
            settings = settings_digest(client_settings(wanted), environment, system=system, **more)
            run = RunRecord(RunKey(survey.digest, settings), survey.records, schema, _source(prompts, file))
            asked = Asked(lambda: islice(file.read(survey), limit), run, system, manifest, batch_size)
            manifests = hand_in(client, asked, again=again, note=voice.note)
            jobs = [as_kept(manifest) for manifest in manifests]
            tell(jobs, voice)
            for job in jobs:
                voice.note(f"'deluge-sync batch wait {job.id} -o RESULTS' waits for the answers")
    return ended[0] if ended else Exit.OK


def _collect(
    manifest: Path,
    voice: Voice,
    *,
    output: str | None,
    waits: bool = True,
    poll_s: float | None = None,
    progress: bool = False,
    **keys: Any,
) -> Exit:
    """Write the answers of a job to `output`; None counts them only."""
    with plain_errors(voice) as ended, client_for(keys) as client:
        if not waits:
            _refuse_unfinished(client.batch_job_status_sync(manifest))
        run = run_of(as_kept(manifest))
        with closing(_results(output, run, voice)) as results:
            delivery = Delivery(results, run=str(run.key), records=run.records, schema=_schema(run))
            deliver(client, manifest, delivery, poll_s=poll_s, show_progress=progress and not voice.is_quiet)
    return _ending(delivery, _quieter(voice, output), ended)


def _results(output: str | None, run: RunRecord, voice: Voice) -> Results:
    if output is None:
        return Nowhere()
    if output == _STDOUT:
        return Stream()
    return open_journal(Path(output), run.key, records=run.records, tell=voice.note)


def _refuse_unfinished(job: JobStatus) -> None:
    if job.state not in _FINISHED:
        told = f"{job.succeeded + job.failed:,} of {job.prompts or 0:,} prompts are done"
        raise BadInputError(f"{job.id} is not over ({told}); 'batch wait {job.id} -o RESULTS' waits for it")


def _schema(run: RunRecord) -> Schema | None:
    return None if run.schema is None else Schema(dict(run.schema))


def _source(prompts: str, file: PromptFile) -> dict[str, Any]:
    return {"prompts": prompts, "format": file.format}


def _quieter(voice: Voice, output: str | None) -> Voice:
    """With rows on standard output there is no place there for a summary."""
    return Voice(is_quiet=voice.is_quiet) if output == _STDOUT else voice


def _ending(delivery: Delivery, voice: Voice, ended: list[Exit]) -> Exit:
    """Tell what came of it, unless it was interrupted before there was anything to tell."""
    if delivery.written or not ended:
        show_lines(delivery.lines(), delivery.document(), voice)
    if ended:
        return ended[0]
    return Exit.SOME_FAILED if delivery.failed else Exit.OK

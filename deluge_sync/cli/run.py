"""`deluge-sync run`: answers every prompt of a file, and goes on where it was stopped.

It reads the options and puts the pieces together: `prompts` checks and reads, `connect` makes the client, `journal`
keeps, `session` drives, `summary` tells. Defaults of the options are those of `LLMClient`; this module has none.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from deluge_sync.cli.batch_rows import RunRecord
from deluge_sync.cli.connect import ClientOptions, client_settings, open_client, read_environment
from deluge_sync.cli.exits import BadInputError, Exit, Terminated, Voice, one_line
from deluge_sync.cli.journal import Mode, Results, RunKey, Stream, open_journal
from deluge_sync.cli.options import ANSWER, ATTEMPTS, CLIENT, MANNERS, PACE, SPENDING, voice_of, with_options
from deluge_sync.cli.prompts import Format, Prompt, PromptFile, Survey, open_prompts
from deluge_sync.cli.run_key import settings_digest
from deluge_sync.cli.schema import read_schema
from deluge_sync.cli.session import Session
from deluge_sync.cli.summary import show_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deluge_sync.client import LLMClient

__all__ = ["INPUT", "BadLines", "Options", "answer", "check_images", "command", "run"]

_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `run` as given; None where one was left to its default."""

    prompts: str
    output: str
    client: ClientOptions = field(default_factory=ClientOptions)
    voice: Voice = field(default_factory=Voice)
    file_format: Format | None = None
    system: str | None = None
    schema: str | None = None
    images: str | None = None
    batch: bool = False
    progress: bool = True
    limit: int | None = None
    restart: bool = False
    retry_errors: bool = False
    skip_bad_lines: bool = False
    allow_local_files: bool = False

    @property
    def mode(self) -> Mode:
        """What becomes of rows that the results file holds already."""
        if self.restart:
            return "restart"
        return "retry" if self.retry_errors else "resume"


INPUT = (
    click.option(
        "--format", "file_format", type=click.Choice(get_args(Format)), help="Of PROMPTS, if its name misleads."
    ),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N prompts of the file."),
    click.option("--skip-bad-lines", is_flag=True, help="Report unusable lines of PROMPTS and pass over them."),
    click.option("--images", metavar="COLUMN", help="Column of PROMPTS with paths or URLs of images to send along."),
    click.option(
        "--allow-local-files", is_flag=True, help="Let PROMPTS name local images and files, which are then sent."
    ),
    click.option("--schema", type=click.Path(), metavar="FILE", help="JSON Schema that every answer has to fit."),
)
_OUTPUT = (
    click.option(
        "-o",
        "--output",
        type=click.Path(allow_dash=True),
        metavar="RESULTS",
        required=True,
        help="Results file, or - for standard output.",
    ),
    click.option("--restart", is_flag=True, help="Begin anew; old results are moved aside to RESULTS.1, .2, ..."),
    click.option("--retry-errors", is_flag=True, help="Send prompts again whose row in RESULTS is an error."),
    click.option("--batch", is_flag=True, help="Send batch jobs: about half the price, answers within a day."),
    click.option("--no-progress", "progress", flag_value=False, default=True, help="No live display."),
)


@click.command("run", short_help="answer every prompt of a file")
@click.argument("prompts", type=click.Path(allow_dash=True))
@with_options(_OUTPUT, INPUT, CLIENT, ANSWER, PACE, ATTEMPTS, SPENDING, MANNERS)
def command(**options: Any) -> None:
    """Answer every prompt in PROMPTS and write one JSON line for each to RESULTS.

    PROMPTS is JSON lines (an object with "prompt", or with "messages" in OpenAI form), CSV with a column "prompt", text
    with one prompt a line, or - for standard input. Other fields are carried into the results; one that bears the name
    of a result's own key becomes input_<name>.

    Rows are written as answers arrive, in no particular order; "index" is the place in PROMPTS. Stopped in any way,
    even by kill -9, the same command goes on and sends only what has no row yet. What the rows in RESULTS have cost
    counts towards --max-cost.

    \b
    Examples:
      deluge-sync run prompts.jsonl -o results.jsonl --model gpt-4.1-mini --rpm 5000
      deluge-sync run questions.csv -o answers.jsonl --system "Answer in one word."
      deluge-sync run pictures.csv -o tags.jsonl --images url --schema tags.json
      deluge-sync run prompts.jsonl -o results.jsonl -m gpt-4.1-mini=3 -m claude-haiku-4-5=1 --max-cost 20
      cat lines.txt | deluge-sync run - -o - --quiet | jq .completion
      deluge-sync run prompts.jsonl -o results.jsonl --retry-errors
      deluge-sync run prompts.jsonl -o results.jsonl --batch
    """
    voice, client = voice_of(options), ClientOptions.taken_from(options)
    status = run(Options(**options, voice=voice, client=client))
    click.get_current_context().exit(status)


def run(options: Options) -> Exit:
    """Do what `options` say and return how it ended.

    Raises:
        BadInputError: something given cannot be used; nothing was sent.
        ResultsError, BrokenPipeError: a row could not be written; all earlier ones are there.
    """
    _check_options(options)
    environment = read_environment(options.client.env_file)
    schema = None if options.schema is None else read_schema(options.schema, options.voice)
    opened = open_prompts(
        options.prompts, options.file_format, allow_local_files=options.allow_local_files, images=options.images
    )
    with opened as prompts:
        bad_lines = BadLines(options.voice, is_skipping=options.skip_bad_lines)
        survey = prompts.survey(bad_lines)
        check_images(options.prompts, options.images, survey)
        client = open_client(options.client, environment)
        settings = client_settings(options.client)
        document = None if schema is None else schema.document
        more = {"schema": document, "images": options.images}
        key = RunKey(survey.digest, settings_digest(settings, environment, system=options.system, **more))
        source = {"prompts": options.prompts, "format": prompts.format}
        with client, closing(_results(options, key, survey)) as results:
            if options.batch:
                record = RunRecord(key, survey.records, document, source)
                status = _answer_in_batches(options, client, prompts, survey, results, record)
            else:
                session = Session(
                    client,
                    results,
                    run=str(key),
                    system=options.system,
                    schema=schema,
                    max_cost_usd=settings.get("max_cost"),
                    source=source,
                )
                status = _answer_what_is_left(options, session, prompts, survey, results, bad_lines.count)
                if session.held_back and not session.failed:
                    return status  # its cure was told: a larger --max-cost
    if options.output != _STDOUT:
        _tell_how_to_go_on(status, options.voice)
    return status


def _answer_what_is_left(
    options: Options, session: Session, prompts: PromptFile, survey: Survey, results: Results, bad_lines: int
) -> Exit:
    left = _left(options, prompts, survey, results)
    if not left:
        return _tell_nothing_left(options, survey, session)
    if session.earlier:
        options.voice.note(f"going on: {session.earlier:,} prompts have a row already, {left:,} are left")
    unanswered = (prompt for prompt in _chosen(options, prompts, survey) if not results.has(prompt.index))
    is_shown = options.progress and not options.voice.is_quiet
    return answer(
        session, unanswered, left=left, show_progress=is_shown, bad_lines=bad_lines, voice=_summary_voice(options)
    )


def _answer_in_batches(
    options: Options, client: LLMClient, prompts: PromptFile, survey: Survey, results: Results, record: RunRecord
) -> Exit:
    from deluge_sync.cli.batch import run_as_batch  # only with --batch

    return run_as_batch(
        client,
        lambda: (prompt for prompt in _chosen(options, prompts, survey) if not results.has(prompt.index)),
        results,
        record,
        system=options.system,
        mode=options.mode,
        voice=_summary_voice(options),
        show_progress=options.progress and not options.voice.is_quiet,
    )


def _summary_voice(options: Options) -> Voice:
    """With rows on standard output there is no place there for a summary."""
    return Voice(is_quiet=options.voice.is_quiet) if options.output == _STDOUT else options.voice


def answer(
    session: Session,
    prompts: Iterable[Prompt],
    *,
    left: int,
    show_progress: bool = True,
    bad_lines: int = 0,
    voice: Voice | None = None,
) -> Exit:
    """Answer the `left` prompts, show the summary, and return how it ended; `demo` uses it too.

    Raises:
        ResultsError, BrokenPipeError: a row could not be written; the summary was shown.
    """
    voice = voice or Voice()
    try:
        session.answer(prompts, total=left, show_progress=show_progress)
    except KeyboardInterrupt as stop:
        voice.note("interrupted; every answer that had arrived is written")
        return Exit.TERMINATED if isinstance(stop, Terminated) else Exit.INTERRUPTED
    finally:
        show_summary(session.totals(bad_lines), session.snapshot(), voice)
    if session.held_back:
        voice.note(f"stopped before --max-cost was passed: {left - session.written:,} are left for a larger one")
    return Exit.SOME_FAILED if session.failed or session.held_back else Exit.OK


def _tell_how_to_go_on(status: Exit, voice: Voice) -> None:
    if status is Exit.SOME_FAILED:
        voice.note("--retry-errors sends the failed ones again")
    elif status is not Exit.OK:
        voice.note("the same command (without --restart) goes on from here")


class BadLines:
    """Told of each bad line: passes it over and counts it, or ends the command with it."""

    def __init__(self, voice: Voice, *, is_skipping: bool) -> None:
        self.count = 0
        self._voice = voice
        self._is_skipping = is_skipping

    def __call__(self, message: str) -> None:
        if not self._is_skipping:
            raise BadInputError(message)
        self.count += 1
        self._voice.note(f"passed over {one_line(message)}")


# --- what goes in


def _check_options(options: Options) -> None:
    """What click cannot tell."""
    client_settings(options.client)
    if options.restart and options.retry_errors:
        raise BadInputError("--restart and --retry-errors exclude each other")
    if options.batch and options.client.max_cost is not None:
        raise BadInputError("--max-cost cannot hold a batch job back: what it costs is known when it is over")
    if options.output == _STDOUT and (options.restart or options.retry_errors):
        raise BadInputError("--restart and --retry-errors need a results file; '-o -' has none")
    if _STDOUT not in (options.prompts, options.output) and _is_same_file(options.prompts, options.output):
        raise BadInputError(f"{options.output}: prompts and results are the same file")


def _is_same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def check_images(prompts: str, images: str | None, survey: Survey) -> None:
    """Refuse a file of `prompts` none of which has an image in the column `images`."""
    if images is not None and survey.good and not survey.pictured:
        raise BadInputError(f"{prompts}: no prompt has an image in {images!r} (--images)")


# --- what comes out


def _results(options: Options, key: RunKey, survey: Survey) -> Results:
    if options.output == _STDOUT:
        return Stream()
    return open_journal(Path(options.output), key, records=survey.records, tell=options.voice.note, mode=options.mode)


def _chosen(options: Options, prompts: PromptFile, survey: Survey) -> Iterator[Prompt]:
    return islice(prompts.read(survey), options.limit)


def _left(options: Options, prompts: PromptFile, survey: Survey, results: Results) -> int:
    """How many prompts have no row yet. With --limit they are counted, because rows may lie beyond it."""
    if options.limit is None:
        return survey.good - results.answered - results.failed
    return sum(not results.has(prompt.index) for prompt in _chosen(options, prompts, survey))


def _tell_nothing_left(options: Options, survey: Survey, session: Session) -> Exit:
    if _summary_voice(options).is_json:
        show_summary(session.totals(), session.snapshot(), options.voice)
    elif survey.good:
        options.voice.note(f"nothing left to send: {session.answered:,} answered, {session.failed:,} failed")
    else:
        options.voice.note(f"{options.prompts} holds no prompts")
    return Exit.SOME_FAILED if session.failed else Exit.OK

"""`deluge-sync run`: answers every prompt of a file, and goes on where it was stopped.

It reads the options and puts the pieces together: `prompts` checks and reads, `LLMClient` sends, `journal` keeps,
`session` drives, `summary` tells. Defaults of the options are those of `LLMClient`; this module has none of its own.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from deluge_sync.cli.exits import BadInputError, Exit, Terminated, one_line, say
from deluge_sync.cli.journal import Mode, Results, RunKey, Stream, open_journal
from deluge_sync.cli.prompts import Format, Prompt, PromptFile, Survey, open_prompts
from deluge_sync.cli.session import Session
from deluge_sync.cli.summary import show_summary
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from deluge_sync.client import LLMClient

__all__ = ["Options", "answer", "command", "run"]

# Our option -> the argument of LLMClient that it sets.
_CLIENT_ARGUMENTS = {
    "model": "model_names",
    "rpm": "max_requests_per_minute",
    "tpm": "max_tokens_per_minute",
    "concurrency": "max_concurrent_requests",
    "max_attempts": "max_attempts",
    "timeout": "request_timeout",
    "max_tokens": "max_new_tokens",
    "temperature": "temperature",
    "base_url": "base_url",
}
_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `run` as given; None where one was left to its default."""

    prompts: str
    output: str
    file_format: Format | None = None
    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: int | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    env_file: str | None = None
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


_at_least_1 = click.IntRange(min=1)


@click.command("run", short_help="answer every prompt of a file")
@click.argument("prompts")
@click.option("-o", "--output", metavar="RESULTS", required=True, help="Results file, or - for standard output.")
@click.option("--format", "file_format", type=click.Choice(get_args(Format)), help="Of PROMPTS, if its name misleads.")
@click.option("--model", metavar="NAME", help="Which model answers.  [default: gpt-4.1-mini]")
@click.option("--rpm", type=_at_least_1, metavar="N", help="Requests a minute.  [default: 1000]")
@click.option("--tpm", type=_at_least_1, metavar="N", help="Tokens a minute.  [default: 100000]")
@click.option("--concurrency", type=_at_least_1, metavar="N", help="Requests at the same time.  [default: 225]")
@click.option("--max-attempts", type=_at_least_1, metavar="N", help="Tries a prompt.  [default: 5]")
@click.option("--timeout", type=_at_least_1, metavar="SECONDS", help="For one request in all.  [default: 30]")
@click.option("--system", metavar="TEXT", help="System message for every prompt that brings none of its own.")
@click.option("--max-tokens", type=_at_least_1, metavar="N", help="Longest answer.  [default: 512]")
@click.option("--temperature", type=click.FloatRange(0, 2), metavar="T", help="[default: 0.75]")
@click.option("--base-url", metavar="URL", help="OpenAI-compatible endpoint; any model name will do then.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable that holds the API key.")
@click.option("--env-file", metavar="FILE", help="Read variables from FILE; those of the environment go before it.")
@click.option("--no-progress", "progress", flag_value=False, default=True, help="No live display.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N prompts of the file.")
@click.option("--restart", is_flag=True, help="Begin anew; old results are moved aside to RESULTS.1, .2, ...")
@click.option("--retry-errors", is_flag=True, help="Send prompts again whose row in RESULTS is an error.")
@click.option("--skip-bad-lines", is_flag=True, help="Report unusable lines of PROMPTS and pass over them.")
@click.option("--allow-local-files", is_flag=True, help="Let PROMPTS name local images and files, which are then sent.")
def command(**options: Any) -> None:
    """Answer every prompt in PROMPTS and write one JSON line for each to RESULTS.

    PROMPTS is JSON lines (an object with "prompt", or with "messages" in OpenAI form), CSV with a column "prompt", text
    with one prompt a line, or - for standard input. Other fields are carried into the results; one that bears the name
    of a result's own key becomes input_<name>.

    Rows are written as answers arrive, in no particular order; "index" is the place in PROMPTS. Stopped in any way,
    even by kill -9, the same command goes on and sends only what has no row yet.

    \b
    Examples:
      deluge-sync run prompts.jsonl -o results.jsonl --model gpt-4.1-mini --rpm 5000
      deluge-sync run questions.csv -o answers.jsonl --system "Answer in one word."
      cat lines.txt | deluge-sync run - -o - --no-progress | jq .completion
      deluge-sync run prompts.jsonl -o results.jsonl --retry-errors
    """
    status = run(Options(**options))
    click.get_current_context().exit(status)


def run(options: Options) -> Exit:
    """Do what `options` say and return how it ended.

    Raises:
        BadInputError: something given cannot be used; nothing was sent.
        ResultsError, BrokenPipeError: a row could not be written; all earlier ones are there.
    """
    _check_options(options)
    environment = _environment(options.env_file)
    opened = open_prompts(options.prompts, options.file_format, allow_local_files=options.allow_local_files)
    with opened as prompts:
        bad_lines = _BadLines(is_skipping=options.skip_bad_lines)
        survey = prompts.survey(bad_lines)
        client = _client(options, environment)
        key = RunKey(survey.digest, _settings_digest(options, environment))
        with client, closing(_results(options, key, survey)) as results:
            if left := _left(options, prompts, survey, results):
                session = Session(client, results, run=str(key), system=options.system)
                unanswered = (prompt for prompt in _chosen(options, prompts, survey) if not results.has(prompt.index))
                if session.earlier:
                    say(f"going on: {session.earlier:,} prompts have a row already, {left:,} are left")
                status = answer(
                    session, unanswered, left=left, show_progress=options.progress, bad_lines=bad_lines.count
                )
            else:
                status = _tell_nothing_left(options, survey, results)
    if options.output != _STDOUT:
        _tell_how_to_go_on(status)
    return status


def answer(
    session: Session, prompts: Iterable[Prompt], *, left: int, show_progress: bool = True, bad_lines: int = 0
) -> Exit:
    """Answer the `left` prompts, show the summary, and return how it ended; `demo` uses it too.

    Raises:
        ResultsError, BrokenPipeError: a row could not be written; the summary was shown.
    """
    try:
        session.answer(prompts, total=left, show_progress=show_progress)
    except KeyboardInterrupt as stop:
        say("interrupted; every answer that had arrived is written")
        return Exit.TERMINATED if isinstance(stop, Terminated) else Exit.INTERRUPTED
    finally:
        show_summary(session.totals(bad_lines), session.snapshot())
    return Exit.SOME_FAILED if session.failed else Exit.OK


def _tell_how_to_go_on(status: Exit) -> None:
    if status is Exit.SOME_FAILED:
        say("--retry-errors sends the failed ones again")
    elif status is not Exit.OK:
        say("the same command (without --restart) goes on from here")


class _BadLines:
    """Told of each bad line: passes it over and counts it, or ends the command with it."""

    def __init__(self, *, is_skipping: bool) -> None:
        self.count = 0
        self._is_skipping = is_skipping

    def __call__(self, message: str) -> None:
        if not self._is_skipping:
            raise BadInputError(message)
        self.count += 1
        say(f"passed over {one_line(message)}")


# --- what goes in


def _check_options(options: Options) -> None:
    """What click cannot tell. An empty URL, out of an unset shell variable, must not mean the model's usual place."""
    if options.base_url is not None and not options.base_url.startswith(("http://", "https://")):
        raise BadInputError(f"--base-url {options.base_url!r} is no http or https URL")
    if options.restart and options.retry_errors:
        raise BadInputError("--restart and --retry-errors exclude each other")
    if options.output == _STDOUT and (options.restart or options.retry_errors):
        raise BadInputError("--restart and --retry-errors need a results file; '-o -' has none")
    if _STDOUT not in (options.prompts, options.output) and _is_same_file(options.prompts, options.output):
        raise BadInputError(f"{options.output}: prompts and results are the same file")


def _is_same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


def _environment(env_file: str | None) -> dict[str, str]:
    """The variables of the process, over those of the file. Neither is changed."""
    if env_file is None:
        return dict(os.environ)
    from dotenv import dotenv_values  # only where a file is named

    if not Path(env_file).is_file():
        raise BadInputError(f"{env_file}: no such file (--env-file)")
    try:
        given = dotenv_values(env_file)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{env_file}: cannot be read ({error})") from error
    return {name: value for name, value in given.items() if value is not None} | dict(os.environ)


def _client(options: Options, environment: Mapping[str, str]) -> LLMClient:
    from deluge_sync.client import LLMClient  # large, and not needed for --help or to refuse bad prompts

    arguments: dict[str, Any] = {
        argument: value
        for option, argument in _CLIENT_ARGUMENTS.items()
        if (value := getattr(options, option)) is not None
    }
    if options.api_key_env is not None:
        arguments["api_key"] = _key(options.api_key_env, environment)
    try:
        client = LLMClient(**arguments, env=environment)
        for _ in client.process_prompts_iter((), show_progress=False):
            pass  # no prompts, so nothing is sent; but the key is looked for
    except ConfigError as error:
        raise BadInputError(str(error)) from error
    return client


def _key(variable: str, environment: Mapping[str, str]) -> str:
    if not environment.get(variable):
        raise BadInputError(f"no API key: the environment variable {variable} is not set (--api-key-env)")
    return environment[variable]


def _settings_digest(options: Options, environment: Mapping[str, str]) -> str:
    """Stands for the settings that shape an answer, with the defaults filled in. How fast they are sent is none."""
    from deluge_sync.client import LLMClient  # as in `_client`

    defaults = inspect.signature(LLMClient).parameters
    shaping: dict[str, Any] = {"system": options.system}
    for option in ("model", "max_tokens", "temperature", "base_url"):
        given = getattr(options, option)
        shaping[option] = defaults[_CLIENT_ARGUMENTS[option]].default if given is None else given
    shaping["base_url"] = (shaping["base_url"] or _usual_url(shaping["model"], environment)).rstrip("/")
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()


def _usual_url(model_name: str, environment: Mapping[str, str]) -> str:
    """Where the client finds a model that no --base-url says anything about."""
    from deluge_sync.models import get_model  # as in `_client`
    from deluge_sync.models.place import base_url_of

    return base_url_of(get_model(model_name), environment)


# --- what comes out


def _results(options: Options, key: RunKey, survey: Survey) -> Results:
    if options.output == _STDOUT:
        return Stream()
    return open_journal(Path(options.output), key, records=survey.records, tell=say, mode=options.mode)


def _chosen(options: Options, prompts: PromptFile, survey: Survey) -> Iterator[Prompt]:
    return islice(prompts.read(survey), options.limit)


def _left(options: Options, prompts: PromptFile, survey: Survey, results: Results) -> int:
    """How many prompts have no row yet. With --limit they are counted, because rows may lie beyond it."""
    if options.limit is None:
        return survey.good - results.answered - results.failed
    return sum(not results.has(prompt.index) for prompt in _chosen(options, prompts, survey))


def _tell_nothing_left(options: Options, survey: Survey, results: Results) -> Exit:
    if survey.good:
        say(f"nothing left to send: {results.answered:,} answered, {results.failed:,} failed")
    else:
        say(f"{options.prompts} holds no prompts")
    return Exit.SOME_FAILED if results.failed else Exit.OK

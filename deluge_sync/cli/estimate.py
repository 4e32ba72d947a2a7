"""`deluge-sync estimate`: what a file of prompts will need, before anything is sent. No key is asked for."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from deluge_sync.cli.connect import ClientOptions, open_client, read_environment
from deluge_sync.cli.exits import BadInputError
from deluge_sync.cli.options import ANSWER, CLIENT, MANNERS, PACE, voice_of, with_options
from deluge_sync.cli.prompts import open_prompts
from deluge_sync.cli.run import INPUT, BadLines, check_images
from deluge_sync.cli.schema import read_schema
from deluge_sync.cli.tables import Column, show_columns
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deluge_sync._engine.estimate import Estimate
    from deluge_sync.client import LLMClient

__all__ = ["command"]

_COLUMNS = (
    Column("MODEL", is_figure=False),
    Column("INPUT TOKENS"),
    Column("LONGEST ANSWERS"),
    Column("COST FROM"),
    Column("COST TO"),
)


@click.command("estimate", short_help="tell the tokens and the cost of a file of prompts before anything is sent")
@click.argument("prompts", type=click.Path(allow_dash=True))
@with_options(INPUT, CLIENT, ANSWER, PACE, MANNERS)
def command(prompts: str, **options: Any) -> None:
    """Tell what PROMPTS will need: tokens, money and time. Nothing is sent, and no key is needed.

    PROMPTS and the options are those of run. Input is estimated to about a tenth; how long answers will be nobody
    knows, so the cost is told from none at all to the longest that --max-tokens allows. Retries are not foreseen.

    \b
    Examples:
      deluge-sync estimate prompts.jsonl --model gpt-4.1-mini --max-tokens 300
      deluge-sync estimate prompts.jsonl -m gpt-4.1-mini -m claude-haiku-4-5 --json
    """
    voice, wanted = voice_of(options), ClientOptions.taken_from(options)
    schema = None if options["schema"] is None else read_schema(options["schema"], voice)
    environment = read_environment(wanted.env_file)
    opened = open_prompts(
        prompts,
        options["file_format"],
        allow_local_files=options["allow_local_files"],
        images=options["images"],
    )
    with opened as file, open_client(wanted, environment, is_key_needed=False) as client:
        survey = file.survey(BadLines(voice, is_skipping=options["skip_bad_lines"]))
        check_images(prompts, options["images"], survey)
        chosen = islice(file.read(survey), options["limit"])
        conversations = (prompt.conversation(options["system"]) for prompt in chosen)
        try:
            found = client.estimate_sync(conversations, output_schema=None if schema is None else schema.document)
        except ConfigError as error:
            raise BadInputError(str(error)) from error
        minutes = _least_minutes(found, client)
    if voice.is_json:
        voice.document(_document(found, minutes))
        return
    show_columns(_COLUMNS, [_cells(model) for model in found.models])
    click.echo(f"\n{found.prompts:,} prompts; {_money(found)}{_time(minutes)}")


def _cells(model: Any) -> Sequence[str]:
    return (
        model.model,
        f"{model.input_tokens:,}",
        f"{model.max_output_tokens:,}",
        _dollars(model.low_usd),
        _dollars(model.high_usd),
    )


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:,.4f}" if amount < 1 else f"${amount:,.2f}"


def _money(found: Estimate) -> str:
    if found.low_usd is None:
        return "cost unknown"
    several = " whichever model answers" if len(found.models) > 1 else ""
    return f"{_dollars(found.low_usd)} to {_dollars(found.high_usd)}{several}"


def _least_minutes(found: Estimate, client: LLMClient) -> float | None:
    """How long the limits make it take if every answer is the longest: no run is slower for them."""
    limits = client.tracker.snapshot().limits
    if limits.requests_per_minute is None or limits.tokens_per_minute is None:
        return None
    tokens = max((model.input_tokens + model.max_output_tokens for model in found.models), default=0)
    return max(found.prompts / limits.requests_per_minute, tokens / limits.tokens_per_minute)


def _time(minutes: float | None) -> str:
    if minutes is None or minutes < 1:
        return ""
    hours, rest = divmod(round(minutes), 60)
    told = f"{hours:,} h {rest} min" if hours else f"{rest} min"
    return f"; up to {told} at the limits (--rpm, --tpm)"


def _document(found: Estimate, minutes: float | None) -> dict[str, Any]:
    return {
        "prompts": found.prompts,
        "low_usd": found.low_usd,
        "high_usd": found.high_usd,
        "minutes_at_limits": None if minutes is None else round(minutes, 2),
        "models": [asdict(model) for model in found.models],
    }

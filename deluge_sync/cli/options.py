"""The options that several commands have alike, by name and meaning. Each command adds those that are its own.

@click.command("estimate")
@with_options(CLIENT, ANSWER, MANNERS)
def command(**options):
    voice, asked = voice_of(options), ClientOptions.taken_from(options)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from deluge_sync.cli.exits import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ANSWER",
    "ATTEMPTS",
    "CACHE",
    "CLIENT",
    "KEYS",
    "MANNERS",
    "PACE",
    "SPENDING",
    "at_least_1",
    "voice_of",
    "with_options",
]

F = TypeVar("F", bound="Callable[..., Any]")

at_least_1 = click.IntRange(min=1)


def _file(metavar: str = "FILE") -> dict[str, Any]:
    """A path that a shell can complete; that it can be read is for the command to tell, in its own words."""
    return {"type": click.Path(), "metavar": metavar}


KEYS = (
    click.option("--api-key-env", metavar="NAME", help="Environment variable that holds the API key."),
    click.option("--env-file", **_file(), help="Read variables from FILE; those of the environment go before it."),
)
CLIENT = (
    click.option(
        "-m",
        "--model",
        "models",
        multiple=True,
        metavar="NAME[=WEIGHT]",
        help="Which model answers; several share the prompts, by weight.  [default: gpt-4.1-mini]",
    ),
    click.option("--base-url", metavar="URL", help="OpenAI-compatible endpoint; any model name will do then."),
    *KEYS,
    click.option("--config", **_file("FILE.yaml"), help="Settings of the client; options given here go before it."),
)
PACE = (
    click.option("--rpm", type=at_least_1, metavar="N", help="Requests a minute.  [default: 1000]"),
    click.option("--tpm", type=at_least_1, metavar="N", help="Tokens a minute.  [default: 100000]"),
    click.option("--concurrency", type=at_least_1, metavar="N", help="Requests at the same time.  [default: 225]"),
)
ATTEMPTS = (
    click.option("--max-attempts", type=at_least_1, metavar="N", help="Tries a prompt.  [default: 5]"),
    click.option("--timeout", type=at_least_1, metavar="SECONDS", help="For one request in all.  [default: 30]"),
)
ANSWER = (
    click.option("-s", "--system", metavar="TEXT", help="System message for every prompt that brings none of its own."),
    click.option("--max-tokens", type=at_least_1, metavar="N", help="Longest answer.  [default: 512]"),
    click.option("--temperature", type=click.FloatRange(0, 2), metavar="T", help="[default: 0.75]"),
)
CACHE = (
    click.option(
        "--cache", **_file("PATH"), help="Keep answers in this SQLite file, and take from it what it has already."
    ),
)
SPENDING = (
    *CACHE,
    click.option(
        "--max-cost", type=click.FloatRange(min=0, min_open=True), metavar="USD", help="Stop before more is spent."
    ),
)
MANNERS = (
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but results and errors."),
    click.option("--json", "as_json", is_flag=True, help="For machines: what is told at the end is one JSON document."),
)


def with_options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[F], F]:
    """The options of all groups, in this order in the help."""

    def decorate(command: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def voice_of(options: dict[str, Any]) -> Voice:
    """What MANNERS gave, taken out of `options`."""
    return Voice(is_quiet=options.pop("quiet"), is_json=options.pop("as_json"))

"""docs/cli.md and the help texts are true: every command and option is told, and every example can be read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deluge_sync.cli import main
from deluge_sync.models import get_model

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
ALIKE = PAGE.split("## What all commands have alike")[1].split("\n## ")[0]


def commands(
    group: click.Group = main, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


COMMANDS = dict(commands())


def section(name: str) -> str:
    """What the page says under the heading of the command."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section for {name}"
    return found[1]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_on_the_page(words: tuple[str, ...]) -> None:
    told = section(words[0])
    if len(words) > 1:
        assert re.search(rf"`{words[1]}`|deluge-sync {' '.join(words)}\b", told)
    for option in COMMANDS[words].params:
        if isinstance(option, click.Option):
            for name in option.opts:
                known = told + ALIKE + (section("run") if words == ("batch", "submit") else "")
                assert re.search(rf"{re.escape(name)}(?![\w-])", known), f"{' '.join(words)} {name}"


def test_the_page_tells_of_nothing_that_is_not_there() -> None:
    headings = set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE))
    assert headings == {name for name, *_ in COMMANDS}
    known = {name for command in COMMANDS.values() for option in command.params for name in option.opts}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - {"--help", "--version"}
    assert told <= known


def examples() -> list[str]:
    """Every command line in the page's blocks and in the help texts, without what it is piped from and into."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    helps = [command.help or "" for command in (main, *COMMANDS.values())]
    lines = [line for text in (*blocks, *helps) for line in text.splitlines()]
    found = (re.search(r'(?:^|[|"(] ?\(?)\s*(deluge-sync .*)', line) for line in lines)
    return [re.split(r" [|<] | && |\)\"|   *#|   +in ", match[1])[0] for match in found if match]


@pytest.mark.parametrize("example", sorted(set(examples())))
def test_every_example_is_a_command_that_can_be_read(example: str) -> None:
    words = shlex.split(example)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, example
        command, words = found, words[1:]
    parsed = command.make_context("example", words)
    for name in parsed.params.get("models") or ():
        get_model(name.partition("=")[0])


def test_there_are_examples_for_every_command() -> None:
    told = {example.split()[1] for example in examples()}
    assert told >= {name for name, *_ in COMMANDS}
    assert len(examples()) > 50
    without = [
        words for words, command in COMMANDS.items() if len(words) == 1 and "deluge-sync" not in (command.help or "")
    ]
    assert without == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_can_be_quiet_and_speak_json(words: tuple[str, ...]) -> None:
    names = {name for option in COMMANDS[words].params for name in option.opts}
    if isinstance(COMMANDS[words], click.Group) or words == ("completion",):
        return  # they only print what they are asked for
    assert {"--quiet", "-q", "--json"} <= names

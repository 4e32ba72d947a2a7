"""`deluge-sync models`: what the registry knows, as a table for people, columns for a pipe, or JSON.

Which models fit is decided by `deluge_sync.models.find_models` and, for words, here; nothing is asked of a provider.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from deluge_sync.cli.exits import BadInputError, Exit
from deluge_sync.cli.options import MANNERS, voice_of, with_options
from deluge_sync.cli.tables import Column, show_columns
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deluge_sync.models import Model

__all__ = ["abilities", "command"]

Sort = Literal["name", "price", "context"]

# Our word for what a model can do -> the field that tells, and the letter that stands for it in a narrow table.
_ABILITIES = {
    "tools": ("supports_tools", "t"),
    "schema": ("supports_schema", "s"),
    "images": ("supports_images", "i"),
    "files": ("supports_files", "f"),
    "reasoning": ("reasoning_model", "r"),
    "json": ("supports_json", "j"),
    "logprobs": ("supports_logprobs", "l"),
    "responses": ("supports_responses", "a"),
}
_LEGEND = ", ".join(f"{letter} {word}" for word, (_, letter) in _ABILITIES.items())
_COLUMNS = (
    Column("MODEL", is_figure=False, style="bold", may_fold=True),
    Column("PROVIDER", is_figure=False, style="dim"),
    Column("CONTEXT"),
    Column("INPUT", style="green"),
    Column("OUTPUT", style="green"),
    Column("CACHED", style="green"),
    Column("CAN", is_figure=False, style="cyan"),
)
_WIDE = 140  # columns of a terminal in which abilities are words
_UNKNOWN = "-"


@click.command("models", short_help="list the models, with prices and what they can do")
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only models that NAME serves.")
@click.option("--supports", multiple=True, type=click.Choice(list(_ABILITIES)), help="Only models that can do this.")
@click.option(
    "--max-price", type=click.FloatRange(min=0), metavar="USD", help="Neither input nor output costs more per million."
)
@click.option("--min-context", type=click.IntRange(min=1), metavar="N", help="At least N tokens fit in.")
@click.option(
    "--mode",
    type=click.Choice(["chat", "embedding", "rerank", "any"]),
    default="chat",
    show_default=True,
    help="Of use.",
)
@click.option(
    "--sort",
    type=click.Choice(get_args(Sort)),
    default="name",
    show_default=True,
    help="Cheapest, or longest context, first.",
)
@with_options(MANNERS)
def command(words: tuple[str, ...], **options: Any) -> None:
    """List the models whose name, provider or maker has every word of FILTER in it.

    Prices are US dollars per million tokens of input, output and input read from the provider's cache; context is in
    tokens; - is unknown. Nothing is asked of a provider: a model that is not listed works with --base-url, or once it
    is registered.

    \b
    Examples:
      deluge-sync models claude
      deluge-sync models --provider openai --supports schema --supports images --max-price 2
      deluge-sync models --sort price --min-context 1000000 | head
      deluge-sync models gpt-5 --json | jq -r '.[].id'
    """
    voice = voice_of(options)
    found = _found(words, **options)
    if voice.is_json:
        voice.document([asdict(model) for model in found])
    elif not found:
        voice.note("no model fits")
    else:
        _show(found)
        voice.note(f"{len(found):,} models; prices in US dollars per million tokens")
    click.get_current_context().exit(Exit.OK if found else Exit.SOME_FAILED)


def abilities(model: Model) -> list[str]:
    """What it can do, in the words of --supports."""
    return [word for word, (field, _) in _ABILITIES.items() if getattr(model, field)]


def _found(
    words: Sequence[str],
    *,
    providers: Sequence[str],
    supports: Sequence[str],
    max_price: float | None,
    min_context: int | None,
    mode: str,
    sort: Sort,
) -> list[Model]:
    from deluge_sync.models import find_models  # reads the catalogue, which --help needs not

    try:
        fitting = find_models(
            mode=None if mode == "any" else mode,
            provider=_known_providers(providers) or None,
            max_input_price=max_price,
            max_output_price=max_price if mode == "chat" else None,
            min_context_tokens=min_context,
            **{_ABILITIES[word][0]: True for word in supports},
        )
    except ConfigError as error:
        raise BadInputError(str(error)) from error
    named = [model for model in fitting if _has_words(model, words)]
    return named if sort == "price" else sorted(named, key=_ORDERS[sort])


_ORDERS: dict[Sort, Callable[[Model], Any]] = {
    "name": lambda model: (model.provider, model.id),
    "context": lambda model: (-(model.context_tokens or 0), model.id),
}


def _known_providers(names: Sequence[str]) -> list[str]:
    from deluge_sync.models import registry  # as above

    known = {model.provider for model in registry.values()}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise BadInputError(f"--provider {unknown[0]!r}: known are {', '.join(sorted(known))}")
    return [name.lower() for name in names]


def _has_words(model: Model, words: Iterable[str]) -> bool:
    text = f"{model.id} {model.name} {model.provider} {model.maker or ''}".lower()
    return all(word.lower() in text for word in words)


# --- how it looks


def _cells(model: Model, can: str) -> tuple[str, ...]:
    prices = (model.input_cost, model.output_cost, model.cached_input_cost)
    return (model.id, model.provider, _context(model.context_tokens), *map(_price, prices), can)


def _context(tokens: int | None) -> str:
    """`128k`, `1M`: vendors mean thousands by it, whether of 1,000 or of 1,024."""
    if tokens is None:
        return _UNKNOWN
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if tokens >= size:
            return f"{tokens / size:.3g}{unit}" if tokens < 1_000 * size else f"{tokens // size}{unit}"
    return str(tokens)


def _price(dollars: float | None) -> str:
    """At least two places, and as many as the price has."""
    if dollars is None:
        return _UNKNOWN
    text = f"{dollars:.6f}".rstrip("0")
    return f"{dollars:.2f}" if len(text.partition(".")[2]) < 2 else text


def _letters(model: Model) -> str:
    can = abilities(model)
    return "".join(letter if word in can else "·" for word, (_, letter) in _ABILITIES.items())


def _show(models: Sequence[Model]) -> None:
    """Abilities are words where there is room for them."""
    is_narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE
    rows = [_cells(model, _letters(model) if is_narrow else " ".join(abilities(model)) or _UNKNOWN) for model in models]
    show_columns(_COLUMNS, rows, legend=_LEGEND if is_narrow else None)

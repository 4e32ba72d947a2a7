"""`deluge-sync embed`: a vector for every text of a file, as JSON lines or as an array of numpy's format.

Texts are read, embedded and written some thousands at a time, in their order: memory does not grow with the file.
`vectors` writes; the client does the rest. Stopped in the middle, what was written is there; --cache makes it that
nothing is paid twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import click

from deluge_sync.cli.connect import ClientOptions, open_client, read_environment
from deluge_sync.cli.exits import BadInputError, Exit, Terminated, Voice
from deluge_sync.cli.options import ATTEMPTS, CACHE, CLIENT, MANNERS, PACE, at_least_1, voice_of, with_options
from deluge_sync.cli.prompts import Format, Prompt, open_prompts
from deluge_sync.cli.run import BadLines
from deluge_sync.cli.vectors import Vectors, check_vectors, open_vectors
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from deluge_sync.client import LLMClient
    from deluge_sync.embedding import Embeddings

__all__ = ["command"]

_STDOUT = "-"
_USUAL_MODEL = "text-embedding-3-small"
_AT_ONCE = 10_000
_INPUT_TYPES = ("document", "query", "similarity", "classification", "clustering")

_OWN = (
    click.option(
        "-o",
        "--output",
        type=click.Path(allow_dash=True),
        metavar="VECTORS",
        required=True,
        help="JSON lines; .npy for a numpy array of 32-bit floats; - for JSON lines on standard output.",
    ),
    click.option("--force", is_flag=True, help="Replace VECTORS if it is there."),
    click.option(
        "--format", "file_format", type=click.Choice(get_args(Format)), help="Of TEXTS, if its name misleads."
    ),
    click.option("--column", metavar="NAME", default="text", show_default=True, help="Field or column with the text."),
    click.option("--skip-bad-lines", is_flag=True, help="Report unusable lines of TEXTS and pass over them."),
    click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N texts of the file."),
    click.option("--dimensions", type=at_least_1, metavar="N", help="Length of a vector, where the model lets it be."),
    click.option("--input-type", type=click.Choice(_INPUT_TYPES), help="What the vectors are for, where it matters."),
    click.option("--batch-size", type=at_least_1, metavar="N", help="Texts a request at most."),
    click.option("--no-progress", "progress", flag_value=False, default=True, help="No live display."),
)


@dataclass(slots=True)
class _Totals:
    """What was done so far. `cost_usd` is None when a price is unknown."""

    texts: int = 0
    failed: int = 0
    from_cache: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0
    dimensions: int | None = None

    def add(self, found: Embeddings) -> None:
        """What one call gave. What came from the cache has no price, and needs none."""
        self.texts += len(found)
        self.failed += len(found.errors)
        self.from_cache += found.from_cache
        self.tokens += found.usage.total_tokens if found.usage is not None else 0
        self.dimensions = found.dimensions or self.dimensions
        is_priced = found.cost is not None or found.from_cache + len(found.errors) == len(found)
        known = is_priced and self.cost_usd is not None
        self.cost_usd = (self.cost_usd or 0.0) + (found.cost or 0.0) if known else None


@click.command("embed", short_help="turn every text of a file into a vector")
@click.argument("texts", type=click.Path(allow_dash=True))
@with_options(_OWN, CLIENT, PACE, ATTEMPTS, CACHE, MANNERS)
def command(texts: str, **options: Any) -> None:
    """Turn every text in TEXTS into a vector, and write the vectors to VECTORS in the texts' order.

    TEXTS is text with one a line, JSON lines or CSV with a field or column "text" (see --column), or - for standard
    input. JSON lines of VECTORS have index, id, embedding and error; a row of an array that is not a number (NaN)
    stands for a text that failed. The usual model is text-embedding-3-small; `models --mode embedding` lists them.

    \b
    Examples:
      deluge-sync embed reviews.txt -o reviews.npy
      deluge-sync embed articles.jsonl --column body -o vectors.jsonl --cache vectors.sqlite
      deluge-sync embed words.csv -o - --dimensions 256 --quiet | head -1
    """
    voice, wanted = voice_of(options), ClientOptions.taken_from(options)
    model = _model(wanted)
    environment = read_environment(wanted.env_file)
    opened = open_prompts(texts, options["file_format"], column=options["column"])
    with opened as file, open_client(_without_model(wanted), environment, is_key_needed=False) as client:
        survey = file.survey(BadLines(voice, is_skipping=options["skip_bad_lines"]))
        total = survey.good if options["limit"] is None else min(survey.good, options["limit"])
        call = {name: options[name] for name in ("dimensions", "input_type", "batch_size")}
        call |= {"model": model, "show_progress": options["progress"] and not voice.is_quiet}
        check_vectors(options["output"], force=options["force"])
        status, done = _embed_all(client, islice(file.read(survey), total), options["output"], total, call, voice)
    _tell(done, model, voice, is_shown=options["output"] != _STDOUT)
    click.get_current_context().exit(status)


def _model(wanted: ClientOptions) -> str:
    if len(wanted.models) > 1:
        raise BadInputError("--model: vectors of different models cannot be compared; give one")
    return wanted.models[0] if wanted.models else _USUAL_MODEL


def _without_model(wanted: ClientOptions) -> ClientOptions:
    """The client's own models are those that answer prompts; an embedding model is told by each call."""
    return replace(wanted, models=())


def _embed_all(
    client: LLMClient, texts: Iterator[Prompt], output: str, total: int, call: dict[str, Any], voice: Voice
) -> tuple[Exit, _Totals]:
    """VECTORS is opened when there are some: a missing key must not empty a file that was there."""
    done = _Totals()
    try:
        with ExitStack() as stack:
            vectors: Vectors | None = None
            for chunk in _chunks(texts):
                found = client.embed_sync([prompt.text for prompt in chunk], on_error="keep", **call)
                vectors = vectors or stack.enter_context(closing(open_vectors(output, total)))
                _write(chunk, found, vectors)
                done.add(found)
    except ConfigError as error:
        raise BadInputError(str(error)) from error
    except KeyboardInterrupt as stop:
        voice.note(f"interrupted; {done.texts:,} texts are written")
        return (Exit.TERMINATED if isinstance(stop, Terminated) else Exit.INTERRUPTED), done
    return (Exit.SOME_FAILED if done.failed else Exit.OK), done


def _chunks(texts: Iterator[Prompt]) -> Iterator[list[Prompt]]:
    while chunk := list(islice(texts, _AT_ONCE)):
        yield chunk


def _write(chunk: list[Prompt], found: Embeddings, vectors: Vectors) -> None:
    for position, (prompt, vector) in enumerate(zip(chunk, found, strict=True)):
        error = found.errors.get(position)
        vectors.write(prompt, vector, None if error is None else {"kind": error.kind, "message": error.message})


def _tell(done: _Totals, model: str, voice: Voice, *, is_shown: bool) -> None:
    if voice.is_json and is_shown:
        voice.document(
            {
                "texts": done.texts,
                "failed": done.failed,
                "from_cache": done.from_cache,
                "dimensions": done.dimensions,
                "tokens": done.tokens,
                "cost": done.cost_usd,
                "model": model,
            }
        )
        return
    cost = "cost unknown" if done.cost_usd is None else f"${done.cost_usd:,.6f}"
    cached = f", {done.from_cache:,} from the cache" if done.from_cache else ""
    voice.note(f"{done.texts:,} texts, {done.failed:,} failed{cached}; {done.tokens:,} tokens, {cost}")

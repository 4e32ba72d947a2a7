"""`deluge-sync report`: a page of plots out of the results of `run`.

`figures` gathers (with `histogram` and `timeline`), `questions` finds the prompts' texts, `page` puts together what
`plots`, `blocks` and `readings` make of them, all in `markup` and `words`. Here are the command and the files.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deluge_sync.cli.exits import BadInputError, Exit, ResultsError
from deluge_sync.cli.options import MANNERS, voice_of, with_options

if TYPE_CHECKING:
    from deluge_sync.cli.report.figures import Figures

__all__ = ["command"]

_STDOUT = "-"


@click.command("report", short_help="make a page of plots out of the results of run")
@click.argument("results", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="PAGE",
    help="- for standard output.  [default: RESULTS with .html]",
)
@click.option(
    "--prompts", type=click.Path(), metavar="PROMPTS", help="The file that was answered, if run finds it no more."
)
@click.option("--title", metavar="TEXT", help="Heading of the page.  [default: the name of RESULTS]")
@click.option("--force", is_flag=True, help="Replace PAGE even if it is something else than a report.")
@with_options(MANNERS)
def command(
    results: str, output: str | None, prompts: str | None, title: str | None, force: bool, **manners: Any
) -> None:
    """Make one HTML page out of RESULTS, the file that run has written or is still writing.

    It shows throughput against the limits, latency, tokens and cost by model, errors by kind, and the slowest and some
    failed prompts to read. The page is one file without scripts that loads nothing: open it from the disk, print it, or
    send it on. It holds the texts of those prompts and answers; give it to whom you would give them.

    \b
    Examples:
      deluge-sync report results.jsonl
      deluge-sync report results.jsonl -o out/monday.html --title "Monday's run"
      deluge-sync report results.jsonl --json | jq .cost
    """
    voice = voice_of(manners)
    target = output or str(Path(results).with_suffix(".html"))
    _check_target(target, results, force=force)
    figures, page = _made(results, prompts, title, voice.note)
    _write(target, page)
    if voice.is_json and target != _STDOUT:
        voice.document({"page": target, **_document(figures)})
    elif target != _STDOUT:
        voice.note(f"wrote {target}: {figures.rows:,} prompts, {figures.failed:,} failed")
    click.get_current_context().exit(Exit.OK)


def _made(results: str, prompts: str | None, title: str | None, tell: Any) -> tuple[Figures, str]:
    from deluge_sync.cli.report.figures import gather  # with what follows some 30 ms that --help needs not
    from deluge_sync.cli.report.page import make_page
    from deluge_sync.cli.report.questions import find_questions

    try:
        with Path(results).open("rb") as lines:
            figures = gather(lines)
    except OSError as error:
        raise BadInputError(f"{results}: {error.strerror}") from error
    if not figures.rows:
        raise BadInputError(f"{results} holds no results of run")
    failed = [sample for found in figures.errors.values() for sample in found.samples]
    wanted = {sample.index for sample in (*failed, *figures.slowest)}
    questions = find_questions(figures, results, prompts, wanted, tell)
    return figures, make_page(figures, title or Path(results).name, questions)


def _document(figures: Figures) -> dict[str, Any]:
    return {
        "prompts": figures.rows,
        "answered": figures.answered,
        "failed": figures.failed,
        "cached": figures.cached,
        "requests": figures.requests,
        "bad_lines": figures.bad_lines,
        "cost": figures.cost_usd,
        "errors": {kind: found.rows for kind, found in figures.errors.items()},
        "latency": {f"p{share}": figures.latency.quantile(share / 100) for share in (50, 90, 95, 99)},
        "models": {
            name: {
                "prompts": model.rows,
                "failed": model.failed,
                "input_tokens": model.input_tokens,
                "cached_tokens": model.cached_tokens,
                "output_tokens": model.output_tokens,
                "cost": None if model.unpriced and not model.cost_usd else model.cost_usd,
            }
            for name, model in figures.models.items()
        },
    }


# --- the file


def _check_target(target: str, results: str, *, force: bool) -> None:
    """A page may be replaced by a page; anything else stays unless --force says so, and the results always."""
    if target == _STDOUT:
        return
    with suppress(OSError):
        if Path(target).samefile(results):
            raise BadInputError(f"{target}: results and page are the same file; choose another -o")
    if Path(target).is_file() and not force and not _is_report(target):
        raise BadInputError(f"{target} is no report; choose another -o, or --force to replace it")


def _is_report(path: str) -> bool:
    from deluge_sync.cli.report.page import MARK  # as in `_made`

    with Path(path).open("rb") as file:
        return file.read(len(MARK)) in (MARK.encode(), b"")


def _write(target: str, page: str) -> None:
    if target == _STDOUT:
        sys.stdout.write(page)
        sys.stdout.flush()
        return
    path = Path(target)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(page, "utf-8")
        draft.replace(path)  # in one step, so that nobody sees half a page
    except OSError as error:
        raise ResultsError(f"cannot write {target}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)

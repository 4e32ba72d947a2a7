"""The texts of the prompts that the page shows. RESULTS has their places only; the file they came from has the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

from deluge_sync.cli.exits import BadInputError
from deluge_sync.cli.prompts import Format, open_prompts
from deluge_sync.cli.report.figures import Figures, cut

__all__ = ["find_questions"]


def find_questions(
    figures: Figures, results: str, given: str | None, wanted: set[int], tell: Callable[[str], None]
) -> dict[int, str]:
    """The texts of the `wanted` prompts by index, cut where they are long. Empty when the file is not at hand.

    given: what --prompts named; None looks where `run` found them, from here and from where the results are.

    Raises:
        BadInputError: the given file cannot be read or is another one.
    """
    if not wanted or (given is None and not figures.sessions):
        return {}
    problem = ""
    for path, file_format in _places(figures, results, given):
        try:
            return _read(path, file_format, figures, wanted)
        except BadInputError as error:
            if given is not None:
                raise
            problem = problem or error.message
    if problem:
        tell(f"the page shows answers without their prompts ({problem}); --prompts PROMPTS adds them")
    return {}


def _places(figures: Figures, results: str, given: str | None) -> Iterator[tuple[str, Format | None]]:
    if given is not None:
        yield given, _known(figures.sessions[-1].file_format) if figures.sessions else None
        return
    noted = [session for session in reversed(figures.sessions) if session.prompts not in (None, "-")]
    for session in noted[:1]:
        name = str(session.prompts)
        yield name, _known(session.file_format)
        yield str(Path(results).parent / name), _known(session.file_format)


def _known(name: str | None) -> Format | None:
    return next((known for known in get_args(Format) if known == name), None)


def _read(path: str, file_format: Format | None, figures: Figures, wanted: set[int]) -> dict[int, str]:
    if not Path(path).is_file():
        raise BadInputError(f"{path}: no such file")
    with open_prompts(path, file_format, allow_local_files=True) as prompts:
        survey = prompts.survey(lambda _: None)
        if not any(run.startswith(survey.digest[:12]) for run in figures.runs):
            raise BadInputError(f"{path} is not the file that these results are of")
        last = max(wanted)
        found = {}
        for prompt in prompts.read(survey):
            if prompt.index > last:
                break
            if prompt.index in wanted:
                found[prompt.index] = cut(prompt.text)
        return found

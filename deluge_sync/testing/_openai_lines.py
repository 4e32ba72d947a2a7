"""The input file of an OpenAI batch: read line by line, and what would make OpenAI refuse the batch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from deluge_sync.sdk.openai import BatchLine
from deluge_sync.testing._batch import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["read_lines"]

_MAX_LINES = 50_000
_MAX_BYTES = 200 * 1024 * 1024

Problem = dict[str, Any]


def read_lines(content: bytes, endpoint: str) -> tuple[list[Line], list[Problem]]:
    """The requests in a file for `endpoint`, or all that is wrong with it in the form of `Batch.errors.data`."""
    numbered = [(number, raw) for number, raw in enumerate(content.split(b"\n"), 1) if raw.strip()]
    if problem := _size_problem(len(content), len(numbered)):
        return [], [problem]
    lines, problems = [], []
    for number, raw in numbered:
        line, problem = _read(number, raw, endpoint)
        lines += [line] if line else []
        problems += [problem] if problem else []
    problems = problems or list(_disagreements(numbered, lines))
    return [] if problems else [_line(line) for line in lines], problems


def _size_problem(size: int, lines: int) -> Problem | None:
    if not lines:
        return _problem("empty_file", "the input file has no requests")
    if lines > _MAX_LINES:
        return _problem("too_many_requests", f"a batch may have {_MAX_LINES} requests, yours has {lines}")
    return _problem("file_too_large", f"a batch may have {_MAX_BYTES} bytes") if size > _MAX_BYTES else None


def _line(line: BatchLine) -> Line:
    return Line(line.custom_id, line.url, json.dumps(line.body).encode())


def _read(number: int, raw: bytes, endpoint: str) -> tuple[BatchLine | None, Problem | None]:
    try:
        line = BatchLine.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        code = "invalid_json_line" if found["type"] == "json_invalid" else "invalid_request"
        param = ".".join(map(str, found["loc"])) or None
        return None, _problem(code, f"line {number}: {found['msg']}", line=number, param=param)
    if line.url != endpoint:
        message = f"line {number}: its url is {line.url}, the batch is for {endpoint}"
        return None, _problem("mismatched_endpoint", message, line=number, param="url")
    return line, None


def _disagreements(numbered: Sequence[tuple[int, bytes]], lines: Sequence[BatchLine]) -> Iterator[Problem]:
    """A custom_id that occurs twice, and a model that is not that of the first line."""
    seen: set[str] = set()
    model = lines[0].body.get("model")
    for (number, _), line in zip(numbered, lines, strict=True):
        if line.custom_id in seen:
            message = f"the custom_id {line.custom_id!r} occurs more than once"
            yield _problem("duplicate_custom_id", message, line=number, param="custom_id")
        if line.body.get("model") != model:
            message = f"all requests of a batch must be for one model; the first is for {model!r}"
            yield _problem("mismatched_model", message, line=number, param="body.model")
        seen.add(line.custom_id)


def _problem(code: str, message: str, *, line: int | None = None, param: str | None = None) -> Problem:
    return {"code": code, "message": message, "line": line, "param": param}

"""Reads the JSON documents in which providers describe an error: one reader for all of their shapes.

It gathers codes, message and delay; what they mean is `classify`'s and `hints`' business. The document may be
anything a server can send: wrong types and missing fields are skipped, nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

__all__ = ["ErrorBody", "code_of", "read_error"]

_MAX_ITEMS = 20
_MAX_CODE_CHARS = 100

_Path = tuple[str | int, ...]

# Where the error may lie, the most specific place first.
_NODES: tuple[_Path, ...] = (
    ("error",),
    ("choices", 0, "error"),  # OpenRouter: an upstream that failed half way
    ("response", "error"),  # OpenAI: the event response.failed
    ("base_resp",),  # MiniMax, with status 200
    ("promptFeedback",),  # Gemini: blocked before the model saw it
    (),  # Mistral, Bedrock, xAI: the document itself
)
# Codes inside a node, the most specific first: what follows is the "bare type" of what precedes.
_CODES: tuple[_Path, ...] = (
    ("innererror", "code"),
    ("details", "error_code"),
    ("metadata", "limit_source"),
    ("code",),
    ("type",),
    ("status",),
    ("status_code",),
    ("__type",),
)
_MESSAGES: tuple[_Path, ...] = (
    ("message",),
    ("message", "detail", 0, "msg"),
    ("Message",),
    ("msg",),
    ("status_msg",),
    ("blockReasonMessage",),
    ("detail",),
    ("detail", "message"),
    ("detail", 0, "msg"),
    ("errors", 0, "message"),
    ("blockReason",),
)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error document says."""

    codes: tuple[str, ...] = ()
    """Lower-case codes and types, the most specific first, without HTTP statuses."""
    message: str = ""
    status: int | None = None
    """An HTTP status given inside the document, between 400 and 599."""
    retry_delay: str | None = None
    """Gemini's `RetryInfo.retryDelay`, as sent."""
    headers: Mapping[str, str] | None = None
    """Headers of an upstream's reply that an intermediary handed on; lower-case names."""


def read_error(document: object) -> ErrorBody:
    """Everything an error document of any shape says; an empty `ErrorBody` where it says nothing."""
    root = _at(document, (0,)) if isinstance(document, list) else document
    nodes = [node for path in _NODES if isinstance(node := _at(root, path), dict | str) and node]
    codes = [code for node in nodes for code in _codes(node)]
    return ErrorBody(
        codes=tuple(dict.fromkeys(code for code in codes if not code.isdecimal() or len(code) > 3)),
        message=next(_messages(nodes), ""),
        status=next((int(code) for code in codes if _is_error_status(code)), None),
        retry_delay=next(_retry_delays(nodes), None),
        headers=next(_forwarded_headers(nodes), None),
    )


def code_of(value: object) -> str:
    """A code in the form the tables use, "" where `value` is none.

    Amazon decorates its types: `com.amazon.coral#ThrottlingException:http://...` gives `throttlingexception`.
    """
    if isinstance(value, int) and 0 < value < 1_000_000:
        return str(value)
    if not isinstance(value, str):
        return ""
    return value.split(":", 1)[0].rsplit("#", 1)[-1].strip().lower()[:_MAX_CODE_CHARS]


def _at(document: object, path: _Path) -> Any:
    for step in path:
        if isinstance(step, str) and isinstance(document, dict):
            document = document.get(step)
        elif isinstance(step, int) and isinstance(document, list) and len(document) > step:
            document = document[step]
        else:
            return None
    return document


def _is_error_status(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isdecimal() and code[0] in "45"


def _codes(node: dict[str, Any] | str) -> Iterator[str]:
    if isinstance(node, str):
        found = iter([node] if node.isidentifier() else [])
    else:
        found = chain(_marks(node), (_at(node, path) for path in _CODES))
    return (code for code in map(code_of, found) if code and code != "error")


def _marks(node: dict[str, Any]) -> Iterator[Any]:
    """Codes of our own for what some providers say by the mere presence of a field."""
    if node.get("blockReason"):
        yield "prompt_blocked"
    if _at(node, ("metadata", "flagged_input")) or _at(node, ("metadata", "reasons")):
        yield "flagged_input"
    for detail in _details(node):
        violations = detail.get("violations")
        for violation in violations[:_MAX_ITEMS] if isinstance(violations, list) else ():
            if "PerDay" in str(_text(_at(violation, ("quotaId",)))):
                yield "quota_per_day"
        yield detail.get("reason")


def _details(node: object) -> Iterator[dict[str, Any]]:
    details = _at(node, ("details",))
    return (item for item in (details[:_MAX_ITEMS] if isinstance(details, list) else ()) if isinstance(item, dict))


def _messages(nodes: list[dict[str, Any] | str]) -> Iterator[str]:
    for node in nodes:
        for path in _MESSAGES if isinstance(node, dict) else ():
            if text := _text(_at(node, path)):
                # An intermediary's own message says little; what the upstream said comes with it.
                yield f"{text}: {raw}" if (raw := _text(_at(node, ("metadata", "raw")))) else text
    yield from (node for node in nodes if isinstance(node, str))


def _retry_delays(nodes: list[dict[str, Any] | str]) -> Iterator[str]:
    for node in nodes:
        for detail in _details(node):
            if delay := _text(detail.get("retryDelay")):
                yield delay


def _forwarded_headers(nodes: list[dict[str, Any] | str]) -> Iterator[dict[str, str]]:
    for node in nodes:
        headers = _at(node, ("metadata", "headers"))
        if isinstance(headers, dict):
            yield {name.lower(): value for name, value in headers.items() if isinstance(value, str)}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

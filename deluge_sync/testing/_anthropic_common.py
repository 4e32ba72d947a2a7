"""What the operations of the Anthropic format share: versions, documents, pages, instants."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs

from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._reply import ErrorSpec, Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deluge_sync.testing._format import Call

__all__ = [
    "FILES_BETA",
    "JSON",
    "LATER",
    "MCP_BETA",
    "MODELS",
    "PREFIX",
    "check_version",
    "document",
    "found",
    "has_files",
    "instant",
    "page",
    "query",
    "refuse",
]

PREFIX = "/anthropic"
JSON = MappingProxyType({"content-type": "application/json"})
MODELS = ("claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")
FILES_BETA = "files-api-2025-04-14"
MCP_BETA = "mcp-client-2025-11-20"
_EARLIER, LATER = "2023-06-01", "2026-10-21"


def check_version(call: Call) -> str:
    """The version of the API that the request names. Refuses one that there is not."""
    version = call.incoming.headers.get("anthropic-version")
    if version is None:
        refuse("anthropic-version: header is required")
    if version not in (_EARLIER, LATER):
        refuse(f"anthropic-version: {version!r} is not a valid version")
    return version


def has_files(call: Call) -> bool:
    """Whether the request may name files: always in the later version, with the beta header in the earlier one."""
    betas = call.incoming.headers.get("anthropic-beta", "").split(",")
    return check_version(call) == LATER or FILES_BETA in [beta.strip() for beta in betas]


def refuse(message: str, status: int = 400) -> NoReturn:
    """Refuse the request."""
    raise Refused(ErrorSpec(status, message))


def found(call: Call, shelf: str, item_id: str, what: str) -> Any:
    """The thing with this id. Refuses with 404 if there is none."""
    item = call.store.shelf(f"anthropic_{shelf}").get(item_id)
    if item is None:
        refuse(f"{what} not found: {item_id}", 404)
    return item


def document(body: Mapping[str, Any]) -> Draft:
    """A reply with status 200."""
    return Draft(Raw(200, JSON, json.dumps(body).encode()))


def query(call: Call) -> dict[str, str]:
    """The query of a request; of a parameter that comes twice, the last."""
    return {name: values[-1] for name, values in parse_qs(call.incoming.target.partition("?")[2]).items()}


def page(
    call: Call,
    items: Sequence[Any],
    render: Callable[[Any], Mapping[str, Any]],
    *,
    most: int,
    usual: int,
    key: Callable[[Any], str] = lambda item: str(item.id),
) -> Draft:
    """The part of `items` that `after_id`, `before_id` and `limit` ask for; of the later version's lists, `page`."""
    asked = query(call)
    limit = _limit(asked.get("limit"), most, usual)
    ids = [key(item) for item in items]
    after = asked.get("after_id") or asked.get("page")
    start = ids.index(after) + 1 if after in ids else 0
    if asked.get("before_id") in ids:
        start = max(0, ids.index(asked["before_id"]) - limit)
    shown = ids[start : start + limit]
    has_more = start + limit < len(ids)
    return document(
        {
            "data": [render(item) for item in items[start : start + limit]],
            "first_id": shown[0] if shown else None,
            "last_id": shown[-1] if shown else None,
            "has_more": has_more,
            "next_page": shown[-1] if shown and has_more else None,
        }
    )


def _limit(text: str | None, most: int, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdecimal() or not 1 <= int(text) <= most:
        refuse(f"limit: must be 1 to {most}, not {text}")
    return int(text)


def instant(seconds: float | None) -> str | None:
    """RFC 3339 for a Unix time in seconds."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

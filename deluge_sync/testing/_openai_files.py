"""OpenAI's files: uploaded as a form, looked up, listed in pages, read and deleted. They are kept in `Call.store`.

Source: https://platform.openai.com/docs/api-reference/files (read 2026-11).
"""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, get_args
from urllib.parse import parse_qs

from deluge_sync.sdk.openai import FileUpload
from deluge_sync.testing._form import parse_form
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._store import StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deluge_sync.testing._form import FormPart
    from deluge_sync.testing._format import Call

__all__ = ["ROUTES", "add_file", "document", "file_document", "found", "page"]

_JSON = MappingProxyType({"content-type": "application/json"})
_PURPOSES: tuple[str, ...] = get_args(FileUpload.model_fields["purpose"].annotation)
_BATCH_FILE_LIVES_S = 30 * 24 * 3600
_EXPIRY_RANGE_S = (3600, 2_592_000)


def add_file(call: Call, filename: str, content: bytes, purpose: str, *, lives_s: int | None = None) -> StoredFile:
    """Keep a new file. `lives_s` None: for good, or 30 days if it belongs to a batch."""
    lives_s = _BATCH_FILE_LIVES_S if lives_s is None and purpose.startswith("batch") else lives_s
    now = int(time.time())
    return call.store.shelf("files").add(
        lambda number: StoredFile(
            id=f"file-{number:08d}",
            filename=filename,
            media_type="application/octet-stream",
            content=content,
            purpose=purpose,
            created_at=now,
            expires_at=None if lives_s is None else now + lives_s,
        )
    )


def found(call: Call, kind: str, item_id: str) -> Any:
    """What has this id on the shelf `kind`. Raises `Refused` with 404 if nothing has."""
    item = call.store.shelf(kind).get(item_id)
    if item is None:
        raise Refused(ErrorSpec(404, f"nothing in {kind} has the id {item_id!r}", param="id"))
    return item


def page(call: Call, items: Sequence[Any], render: Callable[[Any], dict[str, Any]], *, most: int, usual: int) -> Draft:
    """The part of `items` that `after` and `limit` in the query ask for, at most `most` of them."""
    asked = query(call)
    limit = _limit(asked.get("limit"), most, usual)
    ids = [item.id for item in items]
    start = ids.index(asked["after"]) + 1 if asked.get("after") in ids else 0
    shown = [render(item) for item in items[start : start + limit]]
    return document(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": start + limit < len(items),
        }
    )


def query(call: Call) -> dict[str, str]:
    """The query of a request; of a parameter that comes twice, the last."""
    return {name: values[-1] for name, values in parse_qs(call.incoming.target.partition("?")[2]).items()}


def document(body: Mapping[str, Any]) -> Draft:
    """A reply with status 200."""
    return Draft(Raw(200, _JSON, json.dumps(body).encode()))


def file_document(file: StoredFile) -> dict[str, Any]:
    """What is told about a file."""
    return {
        "object": "file",
        "id": file.id,
        "purpose": file.purpose,
        "filename": file.filename,
        "bytes": len(file.content),
        "created_at": file.created_at,
        "expires_at": file.expires_at,
        "status": "processed",
        "status_details": None,
    }


def _create_file(call: Call) -> Draft:
    parts = parse_form(call.incoming.headers.get("content-type", ""), call.incoming.body)
    if parts is None:
        _refuse("the body of the request must be multipart/form-data", None)
    form = {part.name: part for part in parts}
    file = form.get("file")
    if file is None or file.filename is None:
        _refuse("'file' must be a file", "file")
    purpose = form["purpose"].text if "purpose" in form else None
    if purpose not in _PURPOSES:
        _refuse(f"'purpose' must be one of {', '.join(_PURPOSES)}, not {purpose!r}", "purpose")
    stored = add_file(call, file.filename, file.content, purpose, lives_s=_lives_s(form))
    return document(file_document(stored))


def _lives_s(form: Mapping[str, FormPart]) -> int | None:
    """The seconds in `expires_after`, if it is there."""
    if "expires_after[seconds]" not in form:
        return None
    low, high = _EXPIRY_RANGE_S
    text = form["expires_after[seconds]"].text
    if not text.isdecimal() or not low <= int(text) <= high:
        _refuse(f"'expires_after.seconds' must be {low} to {high}, not {text}", "expires_after")
    return int(text)


def _list_files(call: Call) -> Draft:
    asked = query(call)
    files = [file for file in call.store.shelf("files").all() if asked.get("purpose") in (None, file.purpose)]
    newest_first = files if asked.get("order") == "asc" else files[::-1]
    return page(call, newest_first, file_document, most=10_000, usual=10_000)


def _limit(text: str | None, most: int, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdecimal() or not 1 <= int(text) <= most:
        _refuse(f"'limit' must be 1 to {most}, not {text}", "limit")
    return int(text)


def _retrieve_file(call: Call) -> Draft:
    return document(file_document(found(call, "files", call.variables["file_id"])))


def _read_file(call: Call) -> Draft:
    file = found(call, "files", call.variables["file_id"])
    disposition = f'attachment; filename="{file.id}"'
    return Draft(Raw(200, {"content-type": file.media_type, "content-disposition": disposition}, file.content))


def _delete_file(call: Call) -> Draft:
    file_id = found(call, "files", call.variables["file_id"]).id
    call.store.shelf("files").remove(file_id)
    return document({"object": "file", "id": file_id, "deleted": True})


def _refuse(message: str, param: str | None) -> NoReturn:
    raise Refused(ErrorSpec(400, message, param=param))


ROUTES = (
    Route("POST", "/v1/files", _create_file, is_limited=False),
    Route("GET", "/v1/files", _list_files),
    Route("GET", "/v1/files/{file_id}/content", _read_file),
    Route("GET", "/v1/files/{file_id}", _retrieve_file),
    Route("DELETE", "/v1/files/{file_id}", _delete_file),
)

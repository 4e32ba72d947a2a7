"""Mistral's files: uploaded as a form, looked up, listed in pages, read and deleted. They are kept in `Call.store`.

Source: https://docs.mistral.ai/api/endpoint/files (read 2026-11).
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from deluge_sync.sdk.mistral import FilePurpose
from deluge_sync.testing._form import parse_form
from deluge_sync.testing._format import Draft, Route
from deluge_sync.testing._mistral_common import PREFIX, document, found, item_id, page, query, refuse_field
from deluge_sync.testing._reply import Raw
from deluge_sync.testing._store import StoredFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync.testing._form import FormPart
    from deluge_sync.testing._format import Call

__all__ = ["ROUTES", "add_file"]

_PURPOSES: tuple[str, ...] = get_args(FilePurpose.__value__)
_SAMPLE_TYPES = MappingProxyType({"batch": "batch_request"})
_HOUR_S = 3600


def add_file(
    call: Call,
    filename: str,
    content: bytes,
    purpose: str,
    details: Mapping[str, str],
    *,
    media_type: str = "application/x-ndjson",
    lives_s: int | None = None,
) -> StoredFile:
    """Keep a new file. `details` has its sample_type, source and visibility. `lives_s` None: for good."""
    now = int(time.time())
    return call.store.shelf("mistral_files").add(
        lambda number: StoredFile(
            id=item_id(number),
            filename=filename,
            media_type=media_type,
            content=content,
            purpose=purpose,
            created_at=now,
            expires_at=None if lives_s is None else now + lives_s,
            details=details,
        )
    )


def _document(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "num_lines": file.content.count(b"\n") + bool(file.content and not file.content.endswith(b"\n")),
        "mimetype": file.media_type,
        "signature": None,
        "expires_at": file.expires_at,
        **file.details,
    }


def _upload(call: Call) -> Draft:
    parts = parse_form(call.incoming.headers.get("content-type", ""), call.incoming.body)
    form = {part.name: part for part in parts or ()}
    file = form.get("file")
    if file is None or file.filename is None:
        refuse_field("body.file", "missing", "Field required")
    purpose = _choice(form, "purpose", "fine-tune", _PURPOSES)
    details = {
        "sample_type": _SAMPLE_TYPES.get(purpose, "instruct"),
        "source": "upload",
        "visibility": _choice(form, "visibility", "workspace", ("workspace", "user")),
    }
    lives_s = _lives_s(form)
    kept = add_file(call, file.filename, file.content, purpose, details, media_type=file.media_type, lives_s=lives_s)
    return document(_document(kept))


def _choice(form: Mapping[str, FormPart], name: str, usual: str, known: tuple[str, ...]) -> str:
    value = form[name].text if name in form else usual
    if value not in known:
        refuse_field(f"body.{name}", "enum", f"Input should be {', '.join(map(repr, known))}")
    return value


def _lives_s(form: Mapping[str, FormPart]) -> int | None:
    """The hours in `expiry`, as seconds."""
    if "expiry" not in form:
        return None
    text = form["expiry"].text
    if not text.isdecimal():
        refuse_field("body.expiry", "int_parsing", "Input should be a valid integer")
    return int(text) * _HOUR_S


def _list(call: Call) -> Draft:
    asked = query(call)
    newest_first = [file for file in call.store.shelf("mistral_files").all()[::-1] if _matches(file, asked)]
    listed = page(call, newest_first, _document)
    if asked.get("include_total", ["true"])[-1].lower() == "false":
        listed["total"] = None
    return document(listed)


def _matches(file: StoredFile, asked: Mapping[str, list[str]]) -> bool:
    said = {"purpose": file.purpose, "mimetypes": file.media_type, **file.details}
    wanted = asked.get("search", [""])[-1].lower()
    return wanted in file.filename.lower() and all(
        said[name] in values for name, values in asked.items() if name in said
    )


def _retrieve(call: Call) -> Draft:
    return document(_document(found(call, "files", call.variables["file_id"])) | {"deleted": False})


def _read(call: Call) -> Draft:
    file = found(call, "files", call.variables["file_id"])
    return Draft(Raw(200, {"content-type": "application/octet-stream"}, file.content))


def _delete(call: Call) -> Draft:
    file = found(call, "files", call.variables["file_id"])
    call.store.shelf("mistral_files").remove(file.id)
    return document({"id": file.id, "object": "file", "deleted": True})


ROUTES = (
    Route("POST", f"{PREFIX}/v1/files", _upload, is_limited=False),
    Route("GET", f"{PREFIX}/v1/files", _list),
    Route("GET", f"{PREFIX}/v1/files/{{file_id}}/content", _read),
    Route("GET", f"{PREFIX}/v1/files/{{file_id}}", _retrieve),
    Route("DELETE", f"{PREFIX}/v1/files/{{file_id}}", _delete),
)

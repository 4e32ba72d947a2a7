"""Anthropic's files: uploaded as a form, looked up, listed in pages, deleted. They are kept in `Call.store`.

What was uploaded cannot be read again; only what a tool of the model wrote can, and nothing here writes files.
Source: the official packages `anthropic` 0.76, `resources.beta.files`, and 2.12, `resources.files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync.testing._anthropic_common import PREFIX, document, found, has_files, instant, page, refuse
from deluge_sync.testing._form import parse_form
from deluge_sync.testing._format import Draft, Route
from deluge_sync.testing._store import StoredFile

if TYPE_CHECKING:
    from deluge_sync.testing._format import Call

__all__ = ["ROUTES"]


def _upload(call: Call) -> Draft:
    _check_access(call)
    parts = parse_form(call.incoming.headers.get("content-type", ""), call.incoming.body)
    file = next((part for part in parts or () if part.name == "file"), None)
    if file is None or not file.filename:
        refuse("file: the body must be multipart/form-data with a file that has a name")
    stored: StoredFile = call.store.shelf("anthropic_files").add(
        lambda number: StoredFile(f"file_{number:08d}", str(file.filename), file.media_type, file.content)
    )
    return document(_file(stored))


def _list(call: Call) -> Draft:
    _check_access(call)
    return page(call, call.store.shelf("anthropic_files").all()[::-1], _file, most=1_000, usual=20)


def _retrieve(call: Call) -> Draft:
    return document(_file(_found(call)))


def _read(call: Call) -> Draft:
    file = _found(call)
    refuse(f"file {file.id} is not downloadable: only files that the model wrote are", 400)


def _delete(call: Call) -> Draft:
    file = _found(call)
    call.store.shelf("anthropic_files").remove(file.id)
    return document({"type": "file_deleted", "id": file.id})


def _found(call: Call) -> StoredFile:
    _check_access(call)
    file: StoredFile = found(call, "files", call.variables["file_id"], "File")
    return file


def _check_access(call: Call) -> None:
    if not has_files(call):
        refuse("Not found", 404)


def _file(file: StoredFile) -> dict[str, Any]:
    return {
        "type": "file",
        "id": file.id,
        "filename": file.filename,
        "mime_type": file.media_type,
        "size_bytes": len(file.content),
        "created_at": instant(file.created_at),
        "downloadable": False,
    }


ROUTES = (
    Route("POST", f"{PREFIX}/v1/files", _upload, is_limited=False),
    Route("GET", f"{PREFIX}/v1/files", _list),
    Route("GET", f"{PREFIX}/v1/files/{{file_id}}/content", _read),
    Route("GET", f"{PREFIX}/v1/files/{{file_id}}", _retrieve),
    Route("DELETE", f"{PREFIX}/v1/files/{{file_id}}", _delete),
)

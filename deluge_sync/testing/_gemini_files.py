"""Gemini's files: announced, sent in one or several pieces, looked up, listed, deleted; results of batches are read.

The bytes go to an address of their own, which needs no key, as with Google's.
Source: Google's API document v1beta (2026-11), and the steps of an upload as google-genai 3.4.0 takes them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from deluge_sync.sdk.gemini import StartUploadRequest
from deluge_sync.testing._format import Draft, Refused, Route
from deluge_sync.testing._gemini_checks import bad, checked_fields
from deluge_sync.testing._gemini_content import document
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._store import StoredFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deluge_sync.testing._format import Call

__all__ = ["FILES", "add_file", "file_routes", "found_file", "page_of", "rfc_3339"]

FILES = "gemini-files"
_UPLOADS = "gemini-uploads"
_API = "https://generativelanguage.googleapis.com/v1beta/"
_LIVES_S = 48 * 3600
_NAME = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(slots=True)
class _Upload:
    """A file on its way. A client sends its pieces one after another."""

    id: str
    file: dict[str, Any]
    size: int
    content: bytearray = field(default_factory=bytearray)


def file_routes(root: str, version: str) -> tuple[Route, ...]:
    """The operations on files of one version of the API."""
    base = f"{root}/{version}/files"
    return (
        Route("POST", f"{root}/upload/{version}/files", _start, is_limited=False),
        Route("POST", f"{root}/upload/{version}/files/{{upload}}", _receive, is_limited=False, needs_key=False),
        Route("GET", f"{root}/download/{version}/files/{{file}}:download", _download),
        Route("GET", f"{base}/{{file}}:download", _download),
        Route("GET", base, _list),
        Route("GET", f"{base}/{{file}}", lambda call: document(_file_document(found_file(call)))),
        Route("DELETE", f"{base}/{{file}}", _delete),
    )


def add_file(call: Call, content: bytes, file: dict[str, Any], *, source: str = "UPLOADED") -> StoredFile:
    """Keep a new file, under its name if it has one."""
    return call.store.shelf(FILES).add(
        lambda number: StoredFile(
            id=file.get("name") or f"files/{number:012d}",
            filename=file.get("displayName", ""),
            media_type=file.get("mimeType") or "application/octet-stream",
            content=content,
            details=source,
        )
    )


def found_file(call: Call) -> Any:
    """The file the path names. Raises `Refused` as Google does for what is not there: with 403."""
    name = call.variables["file"]
    file = call.store.shelf(FILES).get(f"files/{name}")
    if file is None:
        message = f"You do not have permission to access the File {name} or it may not exist."
        raise Refused(ErrorSpec(403, message))
    return file


def page_of(call: Call, items: Sequence[Any], *, most: int) -> tuple[Sequence[Any], dict[str, str]]:
    """The part of `items` that the query asks for, and the token for the next as a field, if there is more."""
    asked = {name: values[-1] for name, values in parse_qs(call.incoming.target.partition("?")[2]).items()}
    size, start = asked.get("pageSize", str(most)), asked.get("pageToken", "0")
    if not size.isdecimal() or not start.isdecimal() or int(size) > most:
        raise Refused(bad(f"page_size must be at most {most}, and page_token one that was given"))
    end = int(start) + (int(size) or most)
    return items[int(start) : end], {"nextPageToken": str(end)} if end < len(items) else {}


def rfc_3339(instant: float) -> str:
    """An instant, Unix time, as Google writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant))


def _start(call: Call) -> Draft:
    """The announcement of a file, answered with the address for its bytes."""
    headers = call.incoming.headers
    if headers.get("x-goog-upload-protocol") != "resumable" or headers.get("x-goog-upload-command") != "start":
        raise Refused(bad("an upload begins with X-Goog-Upload-Protocol: resumable and X-Goog-Upload-Command: start"))
    size = headers.get("x-goog-upload-header-content-length", "")
    if not size.isdecimal():
        raise Refused(bad("X-Goog-Upload-Header-Content-Length must be the size of the file"))
    file = checked_fields(call.incoming.body, StartUploadRequest, ignore_unknown=call.ignore_unknown)["file"]
    file["mimeType"] = file.get("mimeType") or headers.get("x-goog-upload-header-content-type")
    _refuse_name(call, file.get("name"))
    upload = call.store.shelf(_UPLOADS).add(lambda number: _Upload(f"{number:012d}", file, int(size)))
    address = f"http://{headers.get('host', 'localhost')}{call.incoming.path}/{upload.id}?upload_protocol=resumable"
    return Draft(Raw(200, {"x-goog-upload-status": "active", "x-goog-upload-url": address}, b""))


def _refuse_name(call: Call, name: str | None) -> None:
    if name is None:
        return
    if not _NAME.fullmatch(name):
        raise Refused(bad("a file's name is files/ and up to 40 lowercase letters, digits and dashes"))
    if call.store.shelf(FILES).get(name) is not None:
        raise Refused(ErrorSpec(409, f"Requested entity already exists: {name}"))


def _receive(call: Call) -> Draft:
    """Some of the bytes; with `finalize` the last of them, answered with the file."""
    upload = call.store.shelf(_UPLOADS).get(call.variables["upload"])
    if upload is None:
        raise Refused(ErrorSpec(404, "Upload has already been terminated or never began."))
    headers = call.incoming.headers
    commands = {command.strip() for command in headers.get("x-goog-upload-command", "").split(",")}
    if headers.get("x-goog-upload-offset", "0") != str(len(upload.content)):
        raise Refused(bad(f"X-Goog-Upload-Offset must be {len(upload.content)}"))
    if "upload" in commands:
        upload.content += call.incoming.body
    if "finalize" not in commands:
        return Draft(Raw(200, {"x-goog-upload-status": "active"}, b""))
    if len(upload.content) != upload.size:
        raise Refused(bad(f"{upload.size} bytes were announced and {len(upload.content)} came"))
    call.store.shelf(_UPLOADS).remove(upload.id)
    whole = document({"file": _file_document(add_file(call, bytes(upload.content), upload.file))})
    return Draft(Raw(200, {**whole.raw.headers, "x-goog-upload-status": "final"}, whole.raw.body))


def _list(call: Call) -> Draft:
    files, more = page_of(call, call.store.shelf(FILES).all()[::-1], most=100)
    return document({**({"files": [_file_document(file) for file in files]} if files else {}), **more})


def _delete(call: Call) -> Draft:
    call.store.shelf(FILES).remove(found_file(call).id)
    return document({})


def _download(call: Call) -> Draft:
    """Only what the provider made can be read."""
    file = found_file(call)
    if file.details != "GENERATED":
        raise Refused(bad("Only generated files can be downloaded."))
    return Draft(Raw(200, {"content-type": file.media_type}, file.content))


def _file_document(file: StoredFile) -> dict[str, Any]:
    made = rfc_3339(file.created_at)
    told = {
        "name": file.id,
        "mimeType": file.media_type,
        "sizeBytes": str(len(file.content)),
        "createTime": made,
        "updateTime": made,
        "expirationTime": rfc_3339(file.created_at + _LIVES_S),
        "sha256Hash": base64.b64encode(hashlib.sha256(file.content).hexdigest().encode()).decode(),
        "uri": f"{_API}{file.id}",
        "state": "ACTIVE",
        "source": file.details,
    }
    if file.details == "GENERATED":
        told["downloadUri"] = f"{_API}{file.id}:download?alt=media"
    return told | ({"displayName": file.filename} if file.filename else {})

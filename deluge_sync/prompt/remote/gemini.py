"""Files at Gemini, by the resumable protocol of its Files API. `uploads` calls it.

A file is announced, its bytes go to an address that comes back, and it may be used when its state is ACTIVE. It
vanishes after two days, at an instant that is told. Prompts name it by its URI.
Source: https://ai.google.dev/api/files (read 2026-11).
"""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Final

from deluge_sync.errors import ApiStatusError, ReplyFormatError
from deluge_sync.prompt.remote.stored import Content, Stored
from deluge_sync.sdk.gemini import (
    File,
    FileToUpload,
    StartUploadRequest,
    delete_file,
    get_file,
    provider,
    start_upload,
    upload_content,
)

if TYPE_CHECKING:
    from deluge_sync.sdk._base import Api

__all__ = ["look", "provider", "put", "remove"]

_MOST_NAME_CHARS: Final = 512
_NO_SUCH_FILE: Final = "may not exist"


def put(api: Api, content: Content) -> Stored:
    """Upload: announce the file, then send its bytes in one piece."""
    file = FileToUpload(display_name=content.name[:_MOST_NAME_CHARS], mime_type=content.media_type)
    started = api.exchange(
        start_upload,
        StartUploadRequest(file=file),
        extra_headers={
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(len(content.data)),
            "X-Goog-Upload-Header-Content-Type": content.media_type,
        },
    )
    address = started.headers.get("x-goog-upload-url")
    if not address:
        raise ReplyFormatError("Gemini did not say where to send the file (no X-Goog-Upload-URL)")
    commands = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
    return _stored(api.call(upload_content, content.data, url=address, extra_headers=commands).file)


def look(api: Api, file_id: str) -> Stored:
    """Ask how the file stands."""
    return _stored(api.call(get_file, name=_name(file_id)))


def remove(api: Api, file_id: str) -> None:
    """Delete it. Not an error where there is no such file, which is told with status 403 there."""
    try:
        api.call(delete_file, name=_name(file_id))
    except ApiStatusError as error:
        if error.status != 404 and not (error.status == 403 and _NO_SUCH_FILE in str(error.body)):
            raise


def _stored(file: File) -> Stored:
    problem = None
    if file.state == "FAILED":
        problem = (file.error and file.error.message) or "no reason given"
    return Stored(file.uri or file.name, file.state in ("ACTIVE", None), problem, _instant(file.expiration_time))


def _name(file_id: str) -> str:
    """`files/abc`, of that, of `abc`, or of its URI."""
    return f"files/{file_id.rpartition('/')[2]}"


def _instant(text: str | None) -> float:
    """Unix time of an instant as Google writes it. Infinity where none is told that can be read."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else inf
    except ValueError:
        return inf

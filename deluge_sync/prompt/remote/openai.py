"""Files at OpenAI, by the operations of its Files API. `uploads` calls it.

Source: https://platform.openai.com/docs/api-reference/files (read 2026-11). `status` is on its way out there, so a file
without one counts as ready.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from deluge_sync.errors import ApiStatusError
from deluge_sync.prompt.remote.stored import Content, Stored
from deluge_sync.sdk.openai import FileObject, FileUpload, Upload, create_file, delete_file, provider, retrieve_file

if TYPE_CHECKING:
    from deluge_sync.sdk._base import Api

__all__ = ["look", "provider", "put", "remove"]


def put(api: Api, content: Content) -> Stored:
    """Upload. A model looks at what is for `vision`, and reads what is `user_data`."""
    file = Upload(filename=content.name, content=content.data, media_type=content.media_type)
    return _stored(api.call(create_file, FileUpload(file=file, purpose="vision" if content.is_image else "user_data")))


def look(api: Api, file_id: str) -> Stored:
    """Ask how the file stands."""
    return _stored(api.call(retrieve_file, file_id=file_id))


def remove(api: Api, file_id: str) -> None:
    """Delete it. Not an error where there is no such file."""
    try:
        api.call(delete_file, file_id=file_id)
    except ApiStatusError as error:
        if error.status != 404:
            raise


def _stored(file: FileObject) -> Stored:
    problem = (file.status_details or "no reason given") if file.status == "error" else None
    return Stored(file.id, file.status in ("processed", None), problem, file.expires_at or inf)

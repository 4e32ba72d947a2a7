"""Files at Anthropic, by the operations of its Files API. `uploads` calls it. A file can be used at once, and stays.

Source: https://docs.claude.com/en/docs/build-with-claude/files (read 2026-11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from deluge_sync.errors import ApiStatusError
from deluge_sync.prompt.remote.stored import Content, Stored
from deluge_sync.sdk.anthropic import FileUpload, Upload, delete_file, provider, retrieve_file, upload_file

if TYPE_CHECKING:
    from deluge_sync.sdk._base import Api

__all__ = ["look", "provider", "put", "remove"]

# Characters that a file name must not have there, and how long it may be.
_FORBIDDEN: Final = re.compile(r'[<>:"|?*\\/\x00-\x1f]')
_MOST_NAME_CHARS: Final = 255


def put(api: Api, content: Content) -> Stored:
    """Upload."""
    name = _FORBIDDEN.sub("_", content.name)[-_MOST_NAME_CHARS:]
    file = Upload(filename=name, content=content.data, media_type=content.media_type)
    return Stored(api.call(upload_file, FileUpload(file=file)).id)


def look(api: Api, file_id: str) -> Stored:
    """Ask whether the file is there."""
    return Stored(api.call(retrieve_file, file_id=file_id).id)


def remove(api: Api, file_id: str) -> None:
    """Delete it. Not an error where there is no such file."""
    try:
        api.call(delete_file, file_id=file_id)
    except ApiStatusError as error:
        if error.status != 404:
            raise

"""Images and files kept at a provider: uploaded once, named by their id in prompts, deleted.

`Image.as_remote`, `File.as_remote`, `.delete` and `Message.with_remote_file` call `upload` and `delete`; the awaitable
ones do so by `in_thread`. An upload goes over the connections of direct SDK calls and raises their errors.

    uploads (what was uploaded, retries, waiting) > openai | anthropic | gemini (the calls of one provider) > stored
    thread: awaits a blocking call
"""

from __future__ import annotations

from deluge_sync.prompt.remote.thread import in_thread
from deluge_sync.prompt.remote.uploads import Uploads, delete, upload

__all__ = ["Uploads", "delete", "in_thread", "upload"]

"""The two values that cross the wire: what goes out and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._http.file_body import FileBody
    from deluge_sync._secret import Secret

__all__ = ["HttpReply", "HttpRequest"]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, complete. A header value may be a `Secret`; it is revealed only when the request is sent.

    file: the body where it is one; its length has to be in a `Content-Length` header.
    """

    method: str
    url: str
    headers: Mapping[str, str | Secret]
    body: bytes | None = None
    file: FileBody | None = None


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One complete reply. Header names are lower-case, a repeated header has its last value; `body` is decompressed.

    With `is_streamed` the body was handed over in chunks as it arrived, and `body` is empty.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_streamed: bool = False

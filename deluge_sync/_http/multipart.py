"""Writes a multipart/form-data body: text fields and files. Called by the typed SDK; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from urllib3.fields import RequestField

__all__ = ["FilePart", "encode_form"]


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a form."""

    filename: str
    content: bytes
    media_type: str


def encode_form(fields: Sequence[tuple[str, str | FilePart]]) -> tuple[str, bytes]:
    """The content type, which names the border between the parts, and the body. Parts keep the order of `fields`."""
    # urllib3 is loaded with the first use, as it is for the transport.
    from urllib3.filepost import encode_multipart_formdata

    body, content_type = encode_multipart_formdata([_part(name, value) for name, value in fields])
    return content_type, body


def _part(name: str, value: str | FilePart) -> RequestField:
    from urllib3.fields import RequestField

    if isinstance(value, str):
        part = RequestField(name, value)
        part.make_multipart()
        return part
    part = RequestField(name, value.content, filename=value.filename)
    part.make_multipart(content_type=value.media_type)
    return part

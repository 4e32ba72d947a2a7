"""Reads a multipart/form-data body (RFC 7578). For every format that takes file uploads."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

__all__ = ["FormPart", "parse_form"]


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form; a file has a `filename`."""

    name: str
    content: bytes
    filename: str | None = None
    media_type: str = "text/plain"

    @property
    def text(self) -> str:
        """The content of a field that is no file."""
        return self.content.decode("utf-8", "replace")


def parse_form(content_type: str, body: bytes) -> list[FormPart] | None:
    """The fields in their order; None if this is no complete form."""
    head = Message()
    head["content-type"] = content_type
    border = head.get_param("boundary")
    if head.get_content_type() != "multipart/form-data" or not isinstance(border, str):
        return None
    opening, *parts = (b"\r\n" + body).split(b"\r\n--" + border.encode("latin-1"))
    if opening.strip() or not parts or not parts[-1].startswith(b"--"):
        return None
    return [_part(part) for part in parts[:-1]]


def _part(raw: bytes) -> FormPart:
    lines, _, content = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    head = Message()
    for line in lines.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        head[name.strip()] = value.strip()
    field_name = head.get_param("name", "", header="content-disposition")
    return FormPart(str(field_name), content, head.get_filename(), head.get_content_type())

"""Writes a request as a form. Pure; called by `Endpoint`, and loaded with the first upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from deluge_sync._http.multipart import FilePart, encode_form
from deluge_sync.sdk._endpoint import BYTES, texts_of
from deluge_sync.sdk._model import Upload

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["write_form"]


def write_form(request: BaseModel) -> tuple[str, bytes]:
    """The content type, which says the border, and the body."""
    named = ((type(request).model_fields[name].alias or name, value) for name, value in request)
    return encode_form([pair for name, value in named if value is not None for pair in _form_pairs(name, value)])


def _form_pairs(name: str, value: Any) -> Iterator[tuple[str, str | FilePart]]:
    """The parts that say `value`. An object or a list in it goes as `name[key]` or `name[]`, as OpenAI reads them."""
    if isinstance(value, Upload):
        yield name, FilePart(value.filename, value.content, value.media_type or BYTES)
    elif isinstance(value, BaseModel):
        for key, child in value.model_dump(mode="json", exclude_none=True, by_alias=True).items():
            yield from _form_pairs(f"{name}[{key}]", child)
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from _form_pairs(f"{name}[{key}]", child)
    elif isinstance(value, list):
        for child in value:
            yield from _form_pairs(f"{name}[]", child)
    else:
        [text] = texts_of(value)
        yield name, text

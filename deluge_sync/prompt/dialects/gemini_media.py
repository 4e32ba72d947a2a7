"""Images and files as the parts of Gemini's contents, `inlineData` and `fileData`; `gemini` calls it.

The API fetches public https URLs itself, so that they are passed on. An uploaded file is named by its URI or by its
name (`files/abc`). Of what comes from outside nothing is fetched or read.

Source: Google's API document v1beta (2026-11), `Part`; for URLs
https://blog.google/innovation-and-ai/technology/developers-tools/gemini-api-new-file-limits (read 2026-11).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from deluge_sync.prompt.image import Detail
from deluge_sync.prompt.parts import File, Image, copy_json
from deluge_sync.prompt.sniff import HEAD_BYTES, sniff, type_of_name
from deluge_sync.prompt.source import is_url, read_base64

__all__ = ["DIALECT", "dump_file", "dump_image", "dump_inline", "load_media"]

DIALECT: Final = "gemini"
log = logging.getLogger(__name__)

_FILES: Final = "https://generativelanguage.googleapis.com/"
_API: Final = f"{_FILES}v1beta/"
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_LEVELS: Final[dict[Detail, str]] = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
_DETAILS: Final[dict[str, Detail]] = {level: detail for detail, level in _LEVELS.items()}


# --- writing


def dump_image(image: Image, *, gemini_3: bool = True) -> dict[str, Any]:
    """The image as a part. Its `detail` is said to Gemini 3 and later, which alone take one for each part.

    Raises:
        ConfigError: it cannot be read, or was uploaded to another provider.
    """
    level = _LEVELS.get(image.detail)
    if level is not None and not gemini_3:
        log.debug("left out of a Gemini part, which cannot say it: the detail of an image")
    return _dump(image) | ({"mediaResolution": {"level": level}} if level is not None and gemini_3 else {})


def dump_file(file: File) -> dict[str, Any]:
    """The file as a part. Its name cannot be told.

    Raises:
        ConfigError: it cannot be read, or was uploaded to another provider.
    """
    if file.filename is not None:
        log.debug("left out of a Gemini part, which cannot say it: the name of a file")
    return _dump(file)


def dump_inline(media: Image | File) -> dict[str, Any]:
    """The content itself as a part, the only form that a tool result takes.

    Raises:
        ConfigError: it cannot be read, or is not here.
    """
    return _with_own(media, "inlineData", {"mimeType": media.media_type, "data": media.base64})


def _dump(media: Image | File) -> dict[str, Any]:
    place = _uri(media.file_id_for(DIALECT)) or media.url
    if place is None:
        return dump_inline(media)
    return _with_own(media, "fileData", {"fileUri": place} | _typed(media.media_type))


def _with_own(media: Image | File, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The part, with what this format said beside."""
    own = cast("dict[str, Any]", copy_json((media.extra or {}).get(DIALECT, {})))
    return own | {kind: fields | own.get(kind, {})}


def _uri(file_id: str | None) -> str | None:
    """The address of an uploaded file, which is known by it or by its name, with `files/` before it or without."""
    if file_id is None or "://" in file_id:
        return file_id
    return f"{_API}files/{file_id.removeprefix('files/')}"


def _typed(media_type: str | None) -> dict[str, str]:
    return {"mimeType": media_type} if media_type is not None else {}


# --- reading


def load_media(given: Mapping[str, Any]) -> Image | File | None:
    """The image or file that a part stands for; None where it stands for none that we can make."""
    match given:
        case {"inlineData": {"mimeType": str(kind), "data": str(data)}} if "/" in kind:
            content = read_base64(data)
            return _load_inline(given, kind, content) if content is not None else None
        case {"fileData": {"fileUri": str(uri)} as fields} if is_url(uri):
            kind = fields.get("mimeType")
            return _load_remote(given, uri, kind) if kind is None or "/" in str(kind) else None
    return None


def _load_inline(given: Mapping[str, Any], kind: str, content: bytes) -> Image | File:
    """Of pictures only those are an `Image` that it sends as they are; Gemini takes more (HEIC)."""
    if (sniff(content[:HEAD_BYTES]) or kind) not in _IMAGES:
        return File(content, media_type=kind, extra=_extra(given, "inlineData", "mimeType", "data"))
    detail, rest = _detail(given)
    extra = _extra(rest, "inlineData", "mimeType", "data")
    return Image(content, media_type=kind, detail=detail, extra=extra)


def _load_remote(given: Mapping[str, Any], uri: str, kind: str | None) -> Image | File:
    known = type_of_name(unquote(urlsplit(uri).path).rpartition("/")[2])
    is_image = (kind or known or "").startswith("image/")
    detail, rest = _detail(given) if is_image else ("auto", given)
    options: dict[str, Any] = {"extra": _extra(rest, "fileData", "fileUri", "mimeType")}
    if uri.startswith(_FILES):
        options |= {"file_id": uri, "provider": DIALECT, "media_type": kind}
    else:
        options |= {"data": uri, "media_type": kind if kind != known else None}
    return Image(detail=detail, **options) if is_image else File(**options)


def _detail(given: Mapping[str, Any]) -> tuple[Detail, Mapping[str, Any]]:
    """How closely the model looks, and the part without it; what we have no word for stays in the part."""
    match given.get("mediaResolution"):
        case {"level": str(level), **beside} if not beside and level in _DETAILS:
            return _DETAILS[level], {key: value for key, value in given.items() if key != "mediaResolution"}
    return "auto", given


def _extra(given: Mapping[str, Any], kind: str, *known: str) -> dict[str, Any] | None:
    """What the part says beside what we have a field for, in it and around it."""
    around = {key: copy_json(value) for key, value in given.items() if key != kind}
    inside = {key: copy_json(value) for key, value in given[kind].items() if key not in known}
    unknown = around | ({kind: inside} if inside else {})
    return {DIALECT: unknown} if unknown else None

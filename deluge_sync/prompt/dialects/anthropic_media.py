"""Images and files as Anthropic's content blocks, `image` and `document`; `anthropic` calls it.

A document is a PDF or a text; what is neither is refused. Of what comes from outside nothing is fetched, and no local
file is read: the format names none.

Source: the official package `anthropic` 2.12, `types.ImageBlockParam` and `types.DocumentBlockParam`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, copy_json
from deluge_sync.prompt.source import is_url

__all__ = ["DIALECT", "dump_file", "dump_image", "load_media"]

DIALECT: Final = "anthropic"

_PDF: Final = "application/pdf"
_TEXT: Final = "text/plain"


# --- writing


def dump_image(image: Image) -> dict[str, Any]:
    """The image as a content block.

    Raises:
        ConfigError: it cannot be read, or was uploaded to another provider.
    """
    return _dump("image", _dump_source(image) or _base64(image.media_type, image), image)


def dump_file(file: File) -> dict[str, Any]:
    """The file as a content block: a document with its name as title, or the image that it is.

    Raises:
        ConfigError: it cannot be read, was uploaded to another provider, or is neither PDF nor text nor image.
    """
    kind = file.media_type or ""
    if kind.startswith("image/"):
        return _dump("image", _dump_source(file) or _base64(kind, file), file)
    source = _dump_source(file) or (_base64(kind, file) if kind == _PDF else _plain_text(file))
    # The last part of a URL is no name that anyone gave.
    title = {"title": file.filename} if file.filename and (file.url is None or file.filename != file.name) else {}
    return _dump("document", source, file) | title | _own(file)


def _dump_source(media: Image | File) -> dict[str, Any] | None:
    """Where the provider finds it; None if it has to be sent."""
    file_id = media.file_id_for(DIALECT)
    if file_id is not None:
        return {"type": "file", "file_id": file_id}
    return {"type": "url", "url": media.url} if media.url is not None else None


def _base64(media_type: str | None, media: Image | File) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": media.base64}


def _plain_text(file: File) -> dict[str, Any]:
    try:
        return {"type": "text", "media_type": _TEXT, "data": file.data.decode()}
    except UnicodeDecodeError:
        kind = file.media_type or "of a type that nothing tells"
    raise ConfigError(f"{file} is {kind}; Anthropic takes PDF, text in UTF-8 and images")


def _dump(kind: str, source: dict[str, Any], media: Image | File) -> dict[str, Any]:
    return {"type": kind, "source": source} | _own(media)


def _own(media: Image | File) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((media.extra or {}).get(DIALECT, {})))


# --- reading


def load_media(block: Mapping[str, Any]) -> Part:
    """The image or file that an `image` or `document` block stands for; one of another form is kept as it is.

    Raises:
        ConfigError: its URL is none, or its data is no base64.
    """
    match block:
        case {"type": "image", "source": dict(source)}:
            return _load_image(block, source) or _kept(block)
        case {"type": "document", "source": dict(source)} if isinstance(block.get("title"), str | None):
            return _load_file(block, source) or _kept(block)
    return _kept(block)


def _kept(block: Mapping[str, Any]) -> ProviderPart:
    return ProviderPart(DIALECT, copy_json(block))


def _load_image(block: Mapping[str, Any], source: Mapping[str, Any]) -> Image | None:
    extra = _extra(block, "source")
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data), **rest} if not rest:
            image = Image(_decoded(data), media_type=kind, extra=extra)
            return image if image.original_type == kind else None
        case {"type": "url", "url": str(url), **rest} if not rest:
            return Image(_checked_url(url), extra=extra)
        case {"type": "file", "file_id": str(file_id), **rest} if file_id and not rest:
            return Image(file_id=file_id, provider=DIALECT, extra=extra)
    return None


def _load_file(block: Mapping[str, Any], source: Mapping[str, Any]) -> File | None:
    extra, title = _extra(block, "source", "title"), block.get("title")
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data), **rest} if not rest:
            file = File(_decoded(data), media_type=kind, filename=title, extra=extra)
            return file if file.media_type == kind == _PDF else None
        case {"type": "text", "media_type": str(kind), "data": str(text), **rest} if kind == _TEXT and not rest:
            file = File(text.encode("utf-8", "surrogatepass"), media_type=_TEXT, filename=title, extra=extra)
            return file if _stays_text(file) else None
        case {"type": "url", "url": str(url), **rest} if not rest:
            file = File(_checked_url(url), filename=title, extra=extra)
            is_named_so = title is not None and title == file.name
            return File(url, filename=title, extra=_extra(block, "source")) if is_named_so else file
        case {"type": "file", "file_id": str(file_id), **rest} if file_id and not rest:
            return File(file_id=file_id, provider=DIALECT, filename=title, extra=extra)
    return None


def _stays_text(file: File) -> bool:
    """Whether it would be written as the text again: some texts begin like a PDF or an image."""
    kind = file.media_type or ""
    return kind != _PDF and not kind.startswith("image/")


def _decoded(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except binascii.Error:
        raise ConfigError(f"the data of a base64 source is no base64: {data!r:.80}") from None


def _checked_url(url: str) -> str:
    if not is_url(url):
        raise ConfigError(f"the URL of a source is http(s), not {url!r:.80}")
    return url


def _extra(block: Mapping[str, Any], *known: str) -> dict[str, Any] | None:
    """What the block says beside what we have a field for."""
    unknown = {key: copy_json(value) for key, value in block.items() if key not in ("type", *known)}
    return {DIALECT: unknown} if unknown else None

"""Images and files as the content parts of Mistral's chat completions; `mistral` calls it.

An image is an `image_url`: a mere URL, or an object where a detail is said. A document is a `document_url` with its
name, or a `file` where it was uploaded. Of what comes from outside nothing is fetched, and a local file is read only
where `local_files` says so.

Source: Mistral's OpenAPI document of 2026-08, `ImageURLChunk`, `DocumentURLChunk` and `FileChunk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, copy_json
from deluge_sync.prompt.source import is_url, read_base64

__all__ = ["DIALECT", "dump_file", "dump_image", "load_media"]

DIALECT: Final = "mistral"

# A `detail` of another value is kept as it was given and sent back.
_DETAILS: Final = ("auto", "low", "high", None)


# --- writing


def dump_image(image: Image) -> dict[str, Any]:
    """The image as a content part.

    Raises:
        ConfigError: it cannot be read, or was uploaded to another provider.
    """
    own = _own(image.extra)
    file_id = image.file_id_for("mistral")
    if file_id is not None:
        return own | {"type": "file", "file_id": file_id}
    detail = {"detail": image.detail} if image.detail != "auto" else {}
    source = {"url": image.url or image.data_url} | detail | own.get("image_url", {})
    return own | {"type": "image_url", "image_url": source if len(source) > 1 else source["url"]}


def dump_file(file: File) -> dict[str, Any]:
    """The file as a content part.

    Raises:
        ConfigError: it cannot be read, or was uploaded to another provider.
    """
    own = _own(file.extra)
    file_id = file.file_id_for("mistral")
    if file_id is not None:
        return own | {"type": "file", "file_id": file_id}
    name = {"document_name": file.filename} if file.filename is not None else {}
    return own | {"type": "document_url", "document_url": file.url or file.data_url} | name


def _own(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return cast("dict[str, Any]", copy_json((extra or {}).get(DIALECT, {})))


# --- reading


def load_media(given: Mapping[str, Any], *, local_files: bool) -> Image | File | None:
    """The image or file that a content part stands for; None for one of another form.

    Raises:
        ConfigError: it names a local file without `local_files`.
    """
    match given:
        case {"type": "image_url", "image_url": str(url)}:
            return _load_image(given, url, {}, local_files=local_files)
        case {"type": "image_url", "image_url": {"url": str(url)} as source}:
            return _load_image(given, url, source, local_files=local_files)
        case {"type": "document_url", "document_url": str(url)}:
            return _load_document(given, url, local_files=local_files)
        case {"type": "file", "file_id": str(file_id)} if file_id:
            return File(file_id=file_id, provider="mistral", extra=_extra(given, "file_id"))
    return None


def _load_image(given: Mapping[str, Any], url: str, source: Mapping[str, Any], *, local_files: bool) -> Image:
    data = _readable(url, "an image", local_files=local_files)
    detail = source.get("detail")
    known = ("url", "detail") if detail in _DETAILS else ("url",)
    inside = {key: copy_json(value) for key, value in source.items() if key not in known}
    around = _extra(given, "image_url")
    extra = {DIALECT: (around or {}).get(DIALECT, {}) | {"image_url": inside}} if inside else around
    return Image(data, detail=(detail if detail in _DETAILS else None) or "auto", extra=extra)


def _load_document(given: Mapping[str, Any], url: str, *, local_files: bool) -> File:
    name = given.get("document_name")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"a document's document_name must be a text, not {name!r:.80}")
    data = _readable(url, "a document", local_files=local_files)
    return File(data, filename=name, extra=_extra(given, "document_url", "document_name"))


def _readable(url: str, what: str, *, local_files: bool) -> str | bytes:
    """The URL, or the content where it is bare base64, which the provider takes too."""
    if local_files or is_url(url) or url[:5].lower() == "data:":
        return url
    content = read_base64(url)
    if content is None:
        raise ConfigError(
            f"{what}'s URL is an http(s) or data URL, not {url!r:.80}; "
            "a local file is read only with allow_local_files=True"
        )
    return content


def _extra(given: Mapping[str, Any], *known: str) -> dict[str, Any] | None:
    """What the part says beside what we have a field for."""
    unknown = {key: copy_json(value) for key, value in given.items() if key not in ("type", *known)}
    return {DIALECT: unknown} if unknown else None

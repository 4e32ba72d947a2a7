"""Images and files as the content parts of OpenAI's chat completions, `image_url` and `file`; `openai_chat` calls it.

Of what comes from outside nothing is fetched, and a local file is read only where `local_files` says so.

Source: OpenAI's OpenAPI document of 2026-08, `ChatCompletionRequestMessageContentPart{Image,File}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, copy_json
from deluge_sync.prompt.source import is_url, read_base64

__all__ = ["DIALECT", "dump_file", "dump_image", "load_media"]

DIALECT: Final = "openai-chat"

# A `detail` of another value is kept as it was given and sent back.
_DETAILS: Final = ("auto", "low", "high", None)


# --- writing


def dump_image(image: Image) -> dict[str, Any]:
    """The image as a content part.

    Raises:
        ConfigError: it cannot be read, or it is a file id, which this format takes for documents only.
    """
    if image.file_id is not None:
        raise ConfigError(f"chat completions take no image by its file id; give {image} by its content or URL")
    detail = {"detail": image.detail} if image.detail != "auto" else {}
    return _dump("image_url", {"url": image.url or image.data_url} | detail, image)


def dump_file(file: File) -> dict[str, Any]:
    """The file as a content part.

    Raises:
        ConfigError: it cannot be read, or it is at a URL, which this format takes for images only.
    """
    file_id = file.file_id_for("openai")
    if file_id is not None:
        return _dump("file", {"file_id": file_id}, file)
    return _dump("file", {"filename": file.sent_name, "file_data": file.data_url}, file)


def _dump(kind: str, fields: dict[str, Any], part: Image | File) -> dict[str, Any]:
    own = cast("dict[str, Any]", copy_json((part.extra or {}).get(DIALECT, {})))
    return own | {"type": kind, kind: fields | own.get(kind, {})}


# --- reading


def load_media(part: Part, *, local_files: bool) -> Part:
    """The image or file that a content part stands for; any other part, or one of another form, as it is.

    Raises:
        ConfigError: it names a local file without `local_files`, or its data is no base64.
    """
    if not isinstance(part, ProviderPart):
        return part
    match part.data:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _load_image(part.data, url, local_files=local_files)
        case {"type": "file", "file": {"file_id": str(file_id)} as fields} if file_id and "file_data" not in fields:
            return File(file_id=file_id, provider="openai", extra=_extra(part.data, "file", "file_id"))
        case {"type": "file", "file": {"file_data": str(data)} as fields} if "file_id" not in fields:
            return part if is_url(data) else _load_file(part.data, data, local_files=local_files)
    return part


def _load_image(given: Mapping[str, Any], url: str, *, local_files: bool) -> Image:
    if not (local_files or _is_data_url(url) or is_url(url)):
        raise ConfigError(
            f"an image's URL is an http(s) or data URL, not {url!r:.80}; "
            "a local file is read only with allow_local_files=True"
        )
    detail = given["image_url"].get("detail")
    if detail not in _DETAILS:
        return Image(url, extra=_extra(given, "image_url", "url"))
    return Image(url, detail=detail or "auto", extra=_extra(given, "image_url", "url", "detail"))


def _load_file(given: Mapping[str, Any], data: str, *, local_files: bool) -> File:
    content = data if _is_data_url(data) else read_base64(data)
    if content is None and not local_files:
        raise ConfigError(
            f"a file's data is base64 or a data URL, not {data!r:.80}; "
            "a local file is read only with allow_local_files=True"
        )
    name = given["file"].get("filename")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"a file's filename must be a text, not {name!r:.80}")
    extra = _extra(given, "file", "file_data", "filename")
    file = File(data if content is None else content, filename=name, extra=extra)
    unnamed = File(data if content is None else content, media_type=file.media_type, extra=extra)
    return unnamed if name == unnamed.sent_name else file


def _is_data_url(text: str) -> bool:
    return text[:5].lower() == "data:"


def _extra(given: Mapping[str, Any], kind: str, *known: str) -> dict[str, Any] | None:
    """What the part says beside what we have a field for, in it and around it."""
    around = {key: copy_json(value) for key, value in given.items() if key not in ("type", kind)}
    inside = {key: copy_json(value) for key, value in given[kind].items() if key not in known}
    unknown = around | ({kind: inside} if inside else {})
    return {DIALECT: unknown} if unknown else None

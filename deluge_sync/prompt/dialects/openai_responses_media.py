"""Images and files as the parts of OpenAI's Responses, `input_image` and `input_file`; `openai_responses` calls it.

Of what comes from outside nothing is fetched, and a local file is read only where `local_files` says so.

Source: OpenAI's OpenAPI document of 2026-08, `Input{Image,File}Content`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, copy_json
from deluge_sync.prompt.source import is_url, read_base64

__all__ = ["DIALECT", "dump_media", "load_media"]

DIALECT: Final = "openai-responses"

# A `detail` of another value is kept as it was given and sent back.
_DETAILS: Final = ("auto", "low", "high", None)


def dump_media(part: Image | File) -> dict[str, Any]:
    """The image or file as a part of a message or of a function's output.

    Raises:
        ConfigError: it cannot be read, or is known to another provider only.
    """
    own = cast("dict[str, Any]", copy_json((part.extra or {}).get(DIALECT, {})))
    return (_dump_image(part) if isinstance(part, Image) else _dump_file(part)) | own


def _dump_image(image: Image) -> dict[str, Any]:
    file_id = image.file_id_for("openai")
    place = {"file_id": file_id} if file_id is not None else {"image_url": image.url or image.data_url}
    return {"type": "input_image", "detail": image.detail, **place}


def _dump_file(file: File) -> dict[str, Any]:
    file_id = file.file_id_for("openai")
    if file_id is not None:
        return {"type": "input_file", "file_id": file_id}
    if file.url is not None:
        return {"type": "input_file", "file_url": file.url}
    return {"type": "input_file", "filename": file.sent_name, "file_data": file.data_url}


def load_media(given: Mapping[str, Any], *, local_files: bool) -> Part:
    """The image or file that a part stands for; one of another form is kept as it is.

    Raises:
        ConfigError: it names a local file without `local_files`, or its data is no base64.
    """
    match given:
        case {"type": "input_image", "image_url": str(url)} if given.get("file_id") is None:
            _refuse_local("an image's URL is an http(s) or data URL", url, local_files=local_files)
            return _image(given, "image_url", data=url)
        case {"type": "input_image", "file_id": str(file_id)} if file_id and given.get("image_url") is None:
            return _image(given, "file_id", file_id=file_id, provider="openai")
        case {"type": "input_file", "file_id": str(file_id)} if file_id and _has_only(given, "file_id"):
            return File(file_id=file_id, provider="openai", extra=_extra(given, "file_id"))
        case {"type": "input_file", "file_url": str(url)} if is_url(url) and _has_only(given, "file_url"):
            return File(url, extra=_extra(given, "file_url"))
        case {"type": "input_file", "file_data": str(data)} if _has_only(given, "file_data") and not is_url(data):
            return _file(given, data, local_files=local_files)
    return ProviderPart(DIALECT, copy_json(given))


def _has_only(given: Mapping[str, Any], source: str) -> bool:
    return all(given.get(name) is None for name in ("file_id", "file_url", "file_data") if name != source)


def _image(given: Mapping[str, Any], source: str, **where: Any) -> Image:
    detail = given.get("detail")
    if detail not in _DETAILS:
        return Image(**where, extra=_extra(given, source))
    return Image(**where, detail=detail or "auto", extra=_extra(given, source, "detail"))


def _file(given: Mapping[str, Any], data: str, *, local_files: bool) -> File:
    content = data if _is_data_url(data) else read_base64(data)
    if content is None:
        _refuse_local("a file's data is base64 or a data URL", data, local_files=local_files)
    name = given.get("filename")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"a file's filename must be a text, not {name!r:.80}")
    extra = _extra(given, "file_data", "filename")
    file = File(data if content is None else content, filename=name, extra=extra)
    unnamed = File(data if content is None else content, media_type=file.media_type, extra=extra)
    return unnamed if name == unnamed.sent_name else file


def _refuse_local(rule: str, data: str, *, local_files: bool) -> None:
    if not (local_files or _is_data_url(data) or is_url(data)):
        raise ConfigError(f"{rule}, not {data!r:.80}; a local file is read only with allow_local_files=True")


def _is_data_url(text: str) -> bool:
    return text[:5].lower() == "data:"


def _extra(given: Mapping[str, Any], *known: str) -> dict[str, Any] | None:
    """What the part says beside what we have a field for."""
    unknown = {
        key: copy_json(value) for key, value in given.items() if key not in ("type", *known) and value is not None
    }
    return {DIALECT: unknown} if unknown else None

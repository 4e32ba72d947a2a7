"""Images and files as Converse's content blocks: `image`, `document`, `video` and `audio`; `bedrock` calls it.

Everything is sent as content: the API fetches no URL, and takes files from S3 only, which a user may write in the
provider's own form. Bytes are base64, as in the API's JSON.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html (read 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, cast

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, copy_json
from deluge_sync.prompt.source import read_base64

__all__ = ["DIALECT", "document_name", "dump_file", "dump_image", "load_image"]

DIALECT: Final = "bedrock"

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_IMAGES: Final = {f"image/{name}": name for name in ("png", "jpeg", "gif", "webp")}
# Media type -> the kind of block, and the format it says.
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    **{media_type: ("image", name) for media_type, name in _IMAGES.items()},
    "application/pdf": ("document", "pdf"),
    "application/msword": ("document", "doc"),
    f"{_OFFICE}.wordprocessingml.document": ("document", "docx"),
    "application/vnd.ms-excel": ("document", "xls"),
    f"{_OFFICE}.spreadsheetml.sheet": ("document", "xlsx"),
    "text/csv": ("document", "csv"),
    "text/html": ("document", "html"),
    "text/markdown": ("document", "md"),
    "video/mp4": ("video", "mp4"),
    "video/quicktime": ("video", "mov"),
    "video/webm": ("video", "webm"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/wav": ("audio", "wav"),
    "audio/flac": ("audio", "flac"),
    "audio/ogg": ("audio", "ogg"),
    "audio/mp4": ("audio", "m4a"),
}
_TEXT: Final = ("document", "txt")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9()\[\]\s-]+")
_NAMELESS: Final = "document"
_MOST_CHARS: Final = 200


def dump_image(image: Image) -> dict[str, Any]:
    """The image as a content block.

    Raises:
        ConfigError: it cannot be read, is not here, or is of a type that the format does not have.
    """
    return _dump(image)


def dump_file(file: File) -> dict[str, Any]:
    """The file as a content block of its kind; a text that is nothing else is a document.

    Raises:
        ConfigError: it cannot be read, is not here, or is of a type that the format does not have.
    """
    block = _dump(file)
    if "document" in block:
        block["document"] = {"name": document_name(file.filename), **block["document"]}
    return block


def document_name(filename: str | None) -> str:
    """The file name as the API takes one: without extension, and of a few kinds of characters only."""
    stem = PurePath(filename).stem if filename else ""
    name = " ".join(_FOREIGN.sub(" ", stem).split())[:_MOST_CHARS]
    return name.strip() or _NAMELESS


def _dump(media: Image | File) -> dict[str, Any]:
    media.file_id_for(DIALECT)  # uploaded elsewhere, it is not known here
    source = {"bytes": media.base64}
    kind, name = _FORMATS.get(media.media_type or "") or _text_format(media)
    own = cast("dict[str, Any]", copy_json((media.extra or {}).get(DIALECT, {})))
    return {kind: {"format": name, "source": source} | own}


def _text_format(media: Image | File) -> tuple[str, str]:
    if isinstance(media, File) and _is_text(media.data):
        return _TEXT
    raise ConfigError(
        f"{media} is {media.media_type}; Bedrock takes PNG, JPEG, GIF and WebP, PDF, Word, Excel, text in UTF-8, "
        "and some models video and audio"
    )


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def load_image(block: Mapping[str, Any]) -> Part:
    """The image that a model drew; one that does not come along in the block is kept as it is."""
    match block:
        case {"format": str(name), "source": {"bytes": str(text), **rest}} if not rest:
            data, media_type = read_base64(text), f"image/{name}"
            image = Image(data, media_type=media_type) if data else None
            if image is not None and image.original_type == media_type:
                return image
    return ProviderPart(DIALECT, {"image": copy_json(block)})

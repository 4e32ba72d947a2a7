"""What type a file is, told by its first bytes; by what it was said to be, or by its name, only where they do not say.

Plain computation over bytes and names. The system's own table of file types is not asked, so that the answer is the
same on every machine. `media` calls it.
"""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import Final

__all__ = ["HEAD_BYTES", "extension_of", "sniff", "type_of", "type_of_name"]

# How much of a file is enough to tell its type.
HEAD_BYTES: Final = 4096

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
# The brand in the first box of an ISO file.
_BRANDS: Final = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V "), "video/mp4"),
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_EXTENSIONS: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "heif": "image/heif",
    "avif": "image/avif",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "html": "text/html",
    "htm": "text/html",
    "css": "text/css",
    "xml": "text/xml",
    "py": "text/x-python",
    "js": "text/javascript",
    "rtf": "text/rtf",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
}
_EXTENSION_OF: Final = {kind: extension for extension, kind in reversed(_EXTENSIONS.items())}


def type_of(head: bytes, *, declared: str | None = None, name: str | None = None) -> str:
    """The media type of a file that begins with `head`: its first bytes, else what it was said to be, else its name.

    What nothing tells is `text/plain` if it reads as UTF-8, and `application/octet-stream` otherwise.
    """
    told = sniff(head) or declared or type_of_name(name)
    return told or ("text/plain" if _is_text(head) else "application/octet-stream")


def sniff(head: bytes) -> str | None:
    """The type that the first bytes tell without doubt, or None."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return "image/svg+xml" if _is_svg(head) else None


def type_of_name(name: str | None) -> str | None:
    """The type that a file name's extension stands for, or None."""
    return _EXTENSIONS.get(PurePosixPath(name).suffix[1:].lower()) if name else None


def extension_of(media_type: str | None) -> str:
    """The usual extension of a media type, without the dot; `bin` where there is none."""
    return _EXTENSION_OF.get(media_type or "", "bin")


def _is_svg(head: bytes) -> bool:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!DOCTYPE svg", b"<!--")) and b"<svg" in start)


def _is_text(head: bytes) -> bool:
    """Whether it reads as UTF-8; a character may be cut at the end."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return "\x00" not in text

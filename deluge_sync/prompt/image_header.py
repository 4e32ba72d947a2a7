"""How large a picture is, read from its header: nothing is decoded, and no imaging library is loaded.

Knows PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF. A JPEG or TIFF that is to be shown turned (EXIF orientation 5 to 8)
gives the size it is shown in. `image` calls it.

Sources: PNG (RFC 2083), GIF89a, JPEG (ITU T.81, Exif 2.3), WebP (RFC 9649), the BITMAPINFOHEADER of BMP, TIFF 6.0,
the `ispe` property of HEIF (ISO 23008-12).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

__all__ = ["Size", "fit", "read_size"]

Size: TypeAlias = tuple[int, int]

# The JPEG segments that hold a frame's size; the others between 0xC0 and 0xCF are tables.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF_SEGMENT: Final = 0xE1
# Tags of a TIFF directory, which is also what EXIF is written in.
_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112
_NUMBERS: Final = {3: "H", 4: "I"}
_META_BYTES: Final = 1 << 16
_TURNED: Final = frozenset({5, 6, 7, 8})


def read_size(media_type: str, head: bytes) -> Size | None:
    """Width and height in pixels, or None where `head` does not reach that far or is no such picture."""
    reader = _READERS.get(media_type)
    try:
        size = reader(head) if reader is not None else None
    except (struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def fit(size: Size, max_size: int | None) -> Size:
    """The size with the longest side at most `max_size`, its shape kept."""
    width, height = size
    longest = max(size)
    if max_size is None or longest <= max_size:
        return size
    return max(1, round(width * max_size / longest)), max(1, round(height * max_size / longest))


def _png(head: bytes) -> Size:
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif(head: bytes) -> Size:
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _bmp(head: bytes) -> Size:
    width, height = struct.unpack_from("<ii", head, 18)
    return width, abs(height)


def _webp(head: bytes) -> Size | None:
    match head[12:16]:
        case b"VP8X":
            return _uint24(head, 24) + 1, _uint24(head, 27) + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", head, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _uint24(head: bytes, at: int) -> int:
    low, high = struct.unpack_from("<HB", head, at)
    return int(low | high << 16)


def _jpeg(head: bytes) -> Size | None:
    is_turned = False
    for marker, at in _jpeg_segments(head):
        if marker == _EXIF_SEGMENT:
            is_turned = is_turned or _is_turned(head[at : at + 0xFFFF])
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 1)
            return (height, width) if is_turned else (width, height)
    return None


def _jpeg_segments(head: bytes) -> Iterator[tuple[int, int]]:
    """Each segment's marker, and where its content begins. Ends at the picture itself."""
    at = 2
    while head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in (0xD9, 0xDA):
            return
        (length,) = struct.unpack_from(">H", head, at + 2)
        yield marker, at + 4
        at += 2 + length


def _is_turned(segment: bytes) -> bool:
    if segment[:6] != b"Exif\x00\x00":
        return False
    try:
        return _tiff_tags(segment[6:]).get(_ORIENTATION) in _TURNED
    except struct.error:
        return False


def _tiff(head: bytes) -> Size:
    tags = _tiff_tags(head)
    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    return (height, width) if tags.get(_ORIENTATION) in _TURNED else (width, height)


def _tiff_tags(tiff: bytes) -> dict[int, int]:
    """The whole numbers of the first directory, by tag."""
    order = ">" if tiff[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    tags = {}
    for entry in range(count):
        at = directory + 2 + 12 * entry
        tag, kind = struct.unpack_from(order + "HH", tiff, at)
        if kind in _NUMBERS:
            (tags[tag],) = struct.unpack_from(order + _NUMBERS[kind], tiff, at + 8)
    return tags


def _avif(head: bytes) -> Size | None:
    """The largest of its pictures: beside the whole there may be tiles and a mask."""
    sizes = [struct.unpack_from(">II", head, found.end() + 4) for found in re.finditer(b"ispe", head[:_META_BYTES])]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


_READERS: Final[dict[str, Callable[[bytes], Size | None]]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _webp,
    "image/jpeg": _jpeg,
    "image/tiff": _tiff,
    "image/avif": _avif,
}

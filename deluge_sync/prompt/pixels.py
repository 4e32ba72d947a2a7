"""Pictures encoded anew: made smaller, or in a type that providers take. The only module that loads Pillow.

A picture of more than `MOST_PIXELS` is refused before it is decoded: a PNG of 17 KB can be 400 MB of pixels.
`image` calls it, when a request is built. Safe for threads: Pillow shares nothing between pictures.
"""

from __future__ import annotations

import io
from typing import Any, Final

from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.image_header import Size, fit

__all__ = ["MOST_PIXELS", "encode", "encode_picture"]

MOST_PIXELS: Final = 50_000_000
_FORMATS: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {"JPEG": {"quality": 90}, "WEBP": {"quality": 90}}


def encode(content: bytes, *, media_type: str, size: Size, max_size: int | None, what: str) -> bytes:
    """The picture as a file of `media_type`, upright, its longest side at most `max_size` pixels. First frame only.

    `size` is what its header says.

    Raises:
        ConfigError: it cannot be decoded or has too many pixels; `what` names it.
    """
    _check_pixels(size, what=what)  # before Pillow sees it, which would warn about it to the whole process
    picture = _open(content, what=what)
    _check_pixels(picture.size, what=what)
    try:
        upright = ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise ConfigError(f"{what} cannot be decoded: {error}") from error
    return encode_picture(upright, media_type=media_type, max_size=max_size)


def encode_picture(picture: Pillow.Image, *, media_type: str, max_size: int | None) -> bytes:
    """The decoded picture as a file of `media_type`, its longest side at most `max_size` pixels."""
    file_format = _FORMATS[media_type]
    picture = _in_mode_for(file_format, picture)
    size = fit(picture.size, max_size)
    if size != picture.size:
        picture = picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    picture.save(out, file_format, **_OPTIONS.get(file_format, {}))
    return out.getvalue()


def _check_pixels(size: Size, *, what: str) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise ConfigError(
            f"{what} has {width:,} x {height:,} pixels, more than the {MOST_PIXELS:,} that are decoded here; "
            "make it smaller beforehand, or send it as it is"
        )


def _open(content: bytes, *, what: str) -> Pillow.Image:
    try:
        return Pillow.open(io.BytesIO(content))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise ConfigError(f"{what} cannot be decoded: {error}") from error


def _in_mode_for(file_format: str, picture: Pillow.Image) -> Pillow.Image:
    """In colours that the file format can hold and that can be made smaller: no palette; for JPEG nothing seen through.

    What was transparent becomes white, as on a page.
    """
    if "A" in picture.getbands() or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        if file_format != "JPEG":
            return clear
        page = Pillow.new("RGBA", clear.size, "white")
        page.alpha_composite(clear)
        return page.convert("RGB")
    return picture if picture.mode in ("RGB", "L") else picture.convert("RGB")

"""A picture in a prompt. See `media` for where it may come from and when it is read.

It reaches the provider as it is, byte by byte, unless it was asked to be smaller (`max_size`) or is of a type that no
provider takes (BMP, TIFF, AVIF: sent as PNG); then `pixels` encodes it anew, when the request is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self, get_args

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.file import File
from deluge_sync.prompt.image_header import Size, fit, read_size
from deluge_sync.prompt.media import Media
from deluge_sync.prompt.sniff import HEAD_BYTES, sniff
from deluge_sync.prompt.source import Inline, MediaData

__all__ = ["Detail", "Image"]

Detail = Literal["auto", "low", "high"]
_DETAILS: Final = get_args(Detail)

# The type in which an image of each type is sent when it has to be encoded anew.
_ENCODED_AS: Final = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/webp": "image/webp",
    "image/gif": "image/png",
    "image/bmp": "image/png",
    "image/tiff": "image/png",
    "image/avif": "image/png",
}
_SENT_AS_IT_IS: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_REFUSED: Final = {
    "image/heic": "is HEIC, which providers do not take; save it as JPEG (pillow-heif reads it in Python)",
    "image/heif": "is HEIF, which providers do not take; save it as JPEG (pillow-heif reads it in Python)",
    "image/svg+xml": "is SVG, a drawing and no picture; render it as PNG (cairosvg does in Python)",
}
# Where a JPEG's size is found, beyond its colour profile and preview.
_HEADER_BYTES: Final = 1 << 18


class Image(Media):
    """A picture from a path, an http(s) URL, bytes, a binary buffer, base64 (plain or data URL) or a `file_id`.

    `detail` is how closely the model looks, for providers that offer it. `max_size` is the longest side in pixels
    that is sent; a larger picture is made smaller when the request is built. An immutable value: `resize` gives
    another one. A local file is read when a request is built and not kept.

    Raises:
        ConfigError: an argument cannot work. A file that is missing or no image is told when it is read.
    """

    __slots__ = ("_detail", "_max_size")

    _detail: Detail
    _max_size: int | None

    def __init__(
        self,
        data: MediaData | None = None,
        *,
        detail: Detail = "auto",
        max_size: int | None = None,
        media_type: str | None = None,
        file_id: str | None = None,
        provider: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, media_type=media_type, file_id=file_id, provider=provider, extra=extra)
        if detail not in _DETAILS:
            raise ConfigError(f"detail is one of {', '.join(_DETAILS)}; got {detail!r:.80}")
        self._detail = detail
        self._max_size = _checked_max_size(max_size)
        self._settle_type()

    @classmethod
    def of(cls, data: Image | MediaData, *, detail: Detail = "auto", max_size: int | None = None) -> Image:
        """An image of any value that stands for one; options that are not at their default replace its own."""
        image = data if isinstance(data, Image) else cls(data)
        if detail != "auto":
            image = image.with_detail(detail)
        return image if max_size is None else image.resize(max_size)

    @classmethod
    def from_pdf(cls, path: File | MediaData, dpi: float = 200, target_size: int = 1024) -> list[Image]:
        """The pages of a PDF as JPEG images, in order, their longest side at most `target_size` pixels.

        Drawn at once, with pypdfium2 (the extra `pdf`); in the whole process one page at a time.

        Raises:
            ConfigError: the PDF cannot be read, pypdfium2 is missing, or a number is not positive.
        """
        longest = _checked_max_size(target_size)
        if longest is None or not dpi > 0:
            raise ConfigError(f"dpi and target_size are positive numbers; got {dpi!r:.80} and {target_size!r:.80}")
        from deluge_sync.prompt import pdf, pixels  # load the imaging library, which an image sent as it is needs not

        file = File.of(path)
        pages = pdf.draw_pages(file.data, dpi=dpi, longest_side=longest, what=str(file))
        return [cls(pixels.encode_picture(page, media_type="image/jpeg", max_size=longest)) for page in pages]

    @property
    def detail(self) -> Detail:
        """How closely the model looks: "auto" leaves it to the provider."""
        return self._detail

    @property
    def max_size(self) -> int | None:
        """The longest side in pixels that is sent; None: as large as it is."""
        return self._max_size

    def with_detail(self, detail: Detail) -> Self:
        """The same image, looked at otherwise."""
        if detail not in _DETAILS:
            raise ConfigError(f"detail is one of {', '.join(_DETAILS)}; got {detail!r:.80}")
        return self._changed(_detail=detail)

    def resize(self, max_size: int) -> Self:
        """The same image with its longest side at most `max_size` pixels. Never made larger; nothing is read yet."""
        sizes = [size for size in (self._max_size, _checked_max_size(max_size)) if size is not None]
        return self._changed(_max_size=min(sizes, default=None))

    def to_jpeg(self) -> Image:
        """The image as it is sent, but as JPEG; encoded at once. What was transparent in it becomes white.

        Raises:
            ConfigError: it cannot be read or has too many pixels.
        """
        content = self._encode(self._source.read(), "image/jpeg")
        return Image(content, detail=self._detail, extra=self._extra)

    @property
    def size(self) -> Size:
        """Width and height in pixels as it is sent and shown, read from the header.

        Raises:
            ConfigError: it cannot be read, is no image, or is not here (a URL, a file id).
        """
        return fit(self._own_size, self._max_size)

    @property
    def media_type(self) -> str | None:
        """Its type as it is sent, told by its content. None: at a URL or a provider, and nobody said.

        Raises:
            ConfigError: it cannot be read, is no image, or of a type that no provider takes.
        """
        kind = self._own_type
        if kind in _REFUSED:
            raise ConfigError(f"{self} {_REFUSED[kind]}")
        if not self.has_content:
            return kind
        if kind is None or not kind.startswith("image/"):
            raise ConfigError(f"{self} is no image that we know{f' but {kind}' if kind else ''}")
        return _ENCODED_AS.get(kind, kind) if self._is_encoded_anew(kind) else kind

    @property
    def data(self) -> bytes:
        """The content as it is sent.

        Raises:
            ConfigError: it cannot be read, is no image, is too large to be made smaller, or is not here.
        """
        content = self._source.read()
        kind = self.media_type
        assert kind is not None  # only an image that is elsewhere may have none
        if not self._is_encoded_anew(self._own_type or ""):
            return content
        return self._encode(content, kind)

    def with_content(self, content: bytes, told: str | None = None) -> Self:
        image = super().with_content(content, told)
        image._settle_type()
        return image

    def uploaded(self, file_id: str, provider: str, media_type: str) -> Self:
        """The same, known to a provider by this id; its size is that of what was uploaded."""
        return super().uploaded(file_id, provider, media_type)._changed(_max_size=None)

    def _settle_type(self) -> None:
        """The content decides, so that two images of the same content are equal whatever they were called."""
        if isinstance(self._source, Inline):
            self._declared = sniff(self._source.read(HEAD_BYTES)) or self._declared

    def _encode(self, content: bytes, media_type: str) -> bytes:
        from deluge_sync.prompt import pixels  # loads the imaging library, which an image sent as it is does not need

        size, what = self._own_size, str(self)
        return pixels.encode(content, media_type=media_type, size=size, max_size=self._max_size, what=what)

    def _is_encoded_anew(self, own_type: str) -> bool:
        if own_type not in _SENT_AS_IT_IS:
            return own_type in _ENCODED_AS
        return self._max_size is not None and max(self._own_size) > self._max_size

    @property
    def _own_size(self) -> Size:
        return self._fact("size", self._find_size)

    def _find_size(self) -> Size:
        kind = self._own_type or ""
        size = read_size(kind, self._source.read(_HEADER_BYTES)) or read_size(kind, self._source.read())
        if size is None:
            raise ConfigError(f"{self} has no size that we can read")
        return size

    def _options(self) -> dict[str, Any]:
        detail = {"detail": self._detail} if self._detail != "auto" else {}
        return detail | ({"max_size": self._max_size} if self._max_size is not None else {})


def _checked_max_size(max_size: object) -> int | None:
    if max_size is None:
        return None
    if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 1:
        raise ConfigError(f"max_size is a positive number of pixels; got {max_size!r:.80}")
    return max_size

"""Where the content of an image or a file comes from: it is here, in a local file, at a URL, or uploaded already.

`source_of` tells which of these a user's value means. A local file is read when its content is asked for, each time,
and never kept: a run over 100,000 pictures holds no picture. Nothing here fetches a URL. `media` calls it.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.sniff import sniff

__all__ = [
    "Inline",
    "LocalFile",
    "MediaData",
    "Remote",
    "Source",
    "Uploaded",
    "is_url",
    "provider_named",
    "read_base64",
    "read_data_url",
    "source_of",
]

MediaData: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"
Stamp: TypeAlias = tuple[int, ...]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_PROVIDERS: Final = {"google": "gemini"}


@dataclass(frozen=True, slots=True)
class Inline:
    """The content itself."""

    content: bytes = field(repr=False)

    def stamp(self) -> Stamp:
        return ()

    def read(self, first_bytes: int = -1) -> bytes:
        return self.content if first_bytes < 0 else self.content[:first_bytes]

    def __str__(self) -> str:
        return f"{len(self.content):,} bytes"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine, as it is whenever it is read."""

    path: str

    def stamp(self) -> Stamp:
        """Another one whenever the file was changed or replaced.

        Raises:
            ConfigError: there is no such file, or it is none that can be read to an end.
        """
        try:
            found = Path(self.path).stat()
        except (OSError, ValueError) as error:
            raise ConfigError(self._unreadable(error)) from error
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{self} is no regular file")
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino

    def read(self, first_bytes: int = -1) -> bytes:
        """The file's content, or just its first bytes.

        Raises:
            ConfigError: it cannot be read.
        """
        self.stamp()  # a pipe or a device would be read for ever
        try:
            with Path(self.path).open("rb") as file:
                return file.read(first_bytes)
        except OSError as error:
            raise ConfigError(self._unreadable(error)) from error

    def _unreadable(self, error: Exception) -> str:
        return f"{self} cannot be read: {getattr(error, 'strerror', None) or error}"

    def __str__(self) -> str:
        return f"{self.path!r:.200}"


@dataclass(frozen=True, slots=True)
class Remote:
    """At an http(s) URL, for the provider to fetch."""

    url: str

    def stamp(self) -> Stamp:
        return ()

    def read(self, first_bytes: int = -1) -> bytes:  # noqa: ARG002  (all sources are asked alike)
        raise ConfigError(f"{self} has to be fetched first, which nothing here does; pass its content instead")

    def __str__(self) -> str:
        """Without what may hold a key: the user of the URL and its query."""
        parts = urlsplit(self.url)
        return f"{f'{parts.scheme}://{parts.hostname}{parts.path}'!r:.200}"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """Uploaded to a provider, which gave it this id. `provider` is the one whose API the id belongs to."""

    file_id: str
    provider: str

    def stamp(self) -> Stamp:
        return ()

    def read(self, first_bytes: int = -1) -> bytes:  # noqa: ARG002  (all sources are asked alike)
        raise ConfigError(f"{self} has no content here; only {self.provider} can be sent it")

    def __str__(self) -> str:
        return f"file {self.file_id!r} at {self.provider}"


Source: TypeAlias = Inline | LocalFile | Remote | Uploaded


def source_of(data: MediaData | None, *, file_id: str | None, provider: str | None) -> tuple[Source, str | None]:
    """What the user's value means, and the media type that came with it (a data URL has one).

    Raises:
        ConfigError: it is nothing that holds an image or a file; the text says what would be.
    """
    if (data is None) == (file_id is None):
        raise ConfigError("give the data (a path, a URL, bytes, a buffer, base64) or a file_id with its provider")
    if file_id is not None:
        return _uploaded(file_id, provider), None
    if provider is not None:
        raise ConfigError(f"provider={provider!r:.80} belongs to a file_id; leave it out for data of your own")
    return _of_text(data) if isinstance(data, str) else (_of_object(data), None)


def is_url(text: str) -> bool:
    """Whether it is an http(s) URL with a host."""
    if not _HTTP.match(text):  # urlsplit would keep megabytes of base64 in its cache
        return False
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def read_data_url(url: str) -> tuple[bytes, str | None]:
    """The content of a data URL, and its media type where it names one.

    Raises:
        ConfigError: it has no comma, or no base64 where it says so.
    """
    head, comma, payload = url[len("data:") :].partition(",")
    if not comma:
        raise ConfigError(f"a data URL without a comma: {url!r:.60}")
    first, *options = [field.strip().lower() for field in head.split(";")]
    kind = first if "/" in first else None
    if "base64" not in options:
        return unquote_to_bytes(payload), kind
    content = read_base64(payload)
    if content is None:
        raise ConfigError(f"a data URL whose content is no base64: {url!r:.60}")
    return content, kind


def _uploaded(file_id: object, provider: object) -> Uploaded:
    if not isinstance(file_id, str) or not isinstance(provider, str) or not file_id or not provider:
        raise ConfigError(f"a file_id needs its provider, both texts; got {file_id!r:.80} and {provider!r:.80}")
    return Uploaded(file_id, provider_named(provider))


def provider_named(name: str) -> str:
    """The provider that goes by this name: "google" is "gemini"."""
    return _PROVIDERS.get(name, name)


def _of_object(data: Any) -> Source:
    match data:
        case os.PathLike():
            return LocalFile(os.fsdecode(data))
        case bytes():
            return Inline(data)
        case bytearray() | memoryview():
            return Inline(bytes(data))
        case io.BytesIO():
            return Inline(data.getvalue())
    content = data.read() if hasattr(data, "read") else None
    if isinstance(content, bytes):
        return Inline(content)
    raise ConfigError(f"an image or a file is a path, a URL, bytes, a binary buffer or base64, not {data!r:.80}")


def _of_text(text: str) -> tuple[Source, str | None]:
    if text[:5].lower() == "data:":
        content, kind = read_data_url(text)
        return Inline(content), kind
    if is_url(text):
        return Remote(text), None
    if _SCHEME.match(text):
        raise ConfigError(f"{text!r:.80} is a URL that no one fetches; http, https and data URLs are taken")
    known = _base64_of_known_type(text)
    if known is not None:
        return Inline(known), None
    if not text or "\x00" in text:
        raise ConfigError(f"{text!r:.80} is no path of a file")
    return LocalFile(text), None


def _base64_of_known_type(text: str) -> bytes | None:
    """The content of plain base64, told from a path by what it decodes to: an image, a PDF, some other known type."""
    beginning = read_base64("".join(text[:100].split())[:64])
    return read_base64(text) if beginning and sniff(beginning) else None


def read_base64(text: str) -> bytes | None:
    """The bytes of a base64 text, line breaks, the URL alphabet and missing padding allowed; None for other text."""
    compact = "".join(text.split()) if any(space in text for space in "\r\n\t ") else text
    compact = compact.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact.rstrip("=") + "=" * (-len(compact.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None

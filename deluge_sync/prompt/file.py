"""A document in a prompt: a PDF, a text, a sound. See `media` for where it may come from and when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.media import Media, checked_type
from deluge_sync.prompt.pdf import count_pages
from deluge_sync.prompt.sniff import HEAD_BYTES, extension_of, type_of
from deluge_sync.prompt.source import Inline, MediaData

__all__ = ["File"]


class File(Media):
    """A file from a path, an http(s) URL, bytes, a binary buffer, base64 (plain or data URL) or a `file_id`.

    `filename` is what the model is told as its name; that of the path or URL unless given. `media_type` is only
    asked where the content does not tell (a CSV is text like any other). An immutable value; a local file is read
    when a request is built and not kept.

    Raises:
        ConfigError: an argument cannot work. A file that is missing is told when it is read.
    """

    __slots__ = ("_filename",)

    _filename: str | None

    def __init__(
        self,
        data: MediaData | None = None,
        *,
        media_type: str | None = None,
        filename: str | None = None,
        file_id: str | None = None,
        provider: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, media_type=media_type, file_id=file_id, provider=provider, extra=extra)
        if filename is not None and not isinstance(filename, str):
            raise ConfigError(f"filename is a text; got {filename!r:.80}")
        self._filename = filename
        self._settle_type()

    @classmethod
    def of(cls, data: File | MediaData, *, media_type: str | None = None, filename: str | None = None) -> File:
        """A file of any value that stands for one; what is given replaces its own."""
        if not isinstance(data, File):
            return cls(data, media_type=media_type, filename=filename)
        changes = {"_declared": checked_type(media_type), "_filename": filename}
        file = data._changed(**{slot: value for slot, value in changes.items() if value is not None})
        file._settle_type()
        return file

    @property
    def filename(self) -> str | None:
        """Its name as given, or that of its path or URL; None when it has none."""
        return self._filename if self._filename is not None else self.name

    @property
    def sent_name(self) -> str:
        """Its name for a format that wants one: `filename`, else "file" with the extension of its type."""
        return self.filename or f"file.{extension_of(self.media_type)}"

    @property
    def pages(self) -> int | None:
        """How many pages a PDF has, told from its bytes; None for another type, or when it is not here.

        Raises:
            ConfigError: the local file cannot be read.
        """
        if not self.has_content or self._own_type != "application/pdf":
            return None
        return self._fact("pages", lambda: count_pages(self._source.read()))

    def with_content(self, content: bytes, told: str | None = None) -> Self:
        file = super().with_content(content, told)._changed(_filename=self.filename)
        file._settle_type()
        return file

    def uploaded(self, file_id: str, provider: str, media_type: str) -> Self:
        return super().uploaded(file_id, provider, media_type)._changed(_filename=self.filename)

    def _settle_type(self) -> None:
        """The content decides, so that two files of the same content are equal whatever they were called."""
        if isinstance(self._source, Inline):
            self._declared = self._find_type()

    def _find_type(self) -> str | None:
        if not self.has_content:
            return super()._find_type()
        return type_of(self._source.read(HEAD_BYTES), declared=self._declared, name=self.filename)

    def _options(self) -> dict[str, Any]:
        return {"filename": self.filename} if self.filename is not None else {}

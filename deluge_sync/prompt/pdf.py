"""PDF pages: counted from the bytes, for an estimate of tokens, and drawn as images.

Counting needs no library and never fails: it looks for page objects, also in compressed object streams. Drawing needs
pypdfium2 (the extra `pdf`). PDFium must not be called by two threads at once, not even for two documents, so that one
lock is held around every call of it; it is let go between pages. `File.pages` and `Image.from_pdf` call this.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from PIL.Image import Image as Picture

__all__ = ["count_pages", "draw_pages"]

_PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_OBJECT_STREAM: Final = re.compile(rb"/Type\s*/ObjStm[^>]{0,500}>>\s*stream\r?\n")
_MOST_INFLATED_BYTES: Final = 32_000_000
_POINTS_PER_INCH: Final = 72
# How much finer than the picture wanted a page is drawn, before it is made smaller.
_FINER: Final = 2
_FORMAT_ERROR_HINT: Final = "is it a whole PDF without a password?"


def count_pages(content: bytes) -> int:
    """How many pages the PDF has, at least 1. A page that was replaced by a later edit may count twice."""
    found = len(_PAGE.findall(content)) + sum(len(_PAGE.findall(inflated)) for inflated in _object_streams(content))
    return max(found, 1)


def _object_streams(content: bytes) -> Iterator[bytes]:
    room = _MOST_INFLATED_BYTES
    for stream in _OBJECT_STREAM.finditer(content):
        if room <= 0:
            return
        try:
            inflated = zlib.decompressobj().decompress(memoryview(content)[stream.end() :], room)
        except zlib.error:
            continue
        room -= len(inflated)
        yield inflated


class _Library:
    """PDFium and the lock that every call of it needs. A forked child gets a lock of its own."""

    def __init__(self) -> None:
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self.lock = threading.Lock()

    def load(self) -> ModuleType:
        try:
            return import_module("pypdfium2")  # an optional dependency, and a large one
        except ImportError as error:
            raise ConfigError(
                f"drawing the pages of a PDF needs pypdfium2: pip install 'deluge-sync[pdf]' ({error})"
            ) from error


_library: Final = _Library()


def draw_pages(content: bytes, *, dpi: float, longest_side: int, what: str) -> Iterator[Picture]:
    """Each page as a picture, in order, at `dpi` but hardly finer than `longest_side` pixels ask for.

    Raises:
        ConfigError: pypdfium2 is missing, or the PDF cannot be read; `what` names it.
    """
    pdfium = _library.load()
    document = _open(pdfium, content, what=what)
    try:
        with _library.lock:
            count = len(document)
        for index in range(count):
            yield _draw(pdfium, document, index, dpi=dpi, longest_side=longest_side, what=what)
    finally:
        with _library.lock:
            document.close()


def _open(pdfium: Any, content: bytes, *, what: str) -> Any:
    try:
        with _library.lock:
            return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        raise ConfigError(f"{what} cannot be read as PDF ({error}); {_FORMAT_ERROR_HINT}") from error


def _draw(pdfium: Any, document: Any, index: int, *, dpi: float, longest_side: int, what: str) -> Picture:
    try:
        with _library.lock:
            page = document[index]
            try:
                # A page may measure kilometres; what is not wanted is not drawn.
                finest = _FINER * longest_side / max(*page.get_size(), 1)
                bitmap = page.render(scale=min(dpi / _POINTS_PER_INCH, finest))
                try:
                    picture: Picture = bitmap.to_pil().copy()  # the bitmap's memory goes with it
                finally:
                    bitmap.close()
            finally:
                page.close()
    except pdfium.PdfiumError as error:
        raise ConfigError(f"page {index + 1} of {what} cannot be drawn ({error})") from error
    return picture

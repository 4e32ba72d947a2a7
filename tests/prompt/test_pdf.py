from __future__ import annotations

import io
import sys
import threading
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image as Pillow

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import File, Image
from deluge_sync.prompt.pdf import count_pages


def pdf_of(*colors: str, size: tuple[int, int] = (600, 800)) -> bytes:
    pages = [Pillow.new("RGB", size, color) for color in colors]
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    return out.getvalue()


def in_object_stream(objects: bytes) -> bytes:
    packed = zlib.compress(objects)
    return b"%%PDF-1.5\n5 0 obj\n<</Type/ObjStm/N 3/Filter/FlateDecode/Length %d>>\nstream\r\n%s\nendstream" % (
        len(packed),
        packed,
    )


@pytest.mark.parametrize(
    ("content", "pages"),
    [
        (pdf_of("red"), 1),
        (pdf_of("red", "blue", "green"), 3),
        (in_object_stream(b"<</Type/Pages/Count 2>><</Type /Page>><</Type/Page/X 1>>"), 2),
        (in_object_stream(b"<</Type/Page>>") + in_object_stream(b"<</Type\n/Page>>"), 2),
        (b"%PDF-1.5 /Type/ObjStm>>stream\nnothing packed", 1),
        (b"%PDF-1.7", 1),
    ],
)
def test_pages_are_counted_from_the_bytes(content: bytes, pages: int) -> None:
    assert count_pages(content) == pages


def test_a_packed_bomb_is_not_unpacked() -> None:
    bomb = in_object_stream(b"\0" * 100_000_000 + b"/Type/Page " * 9)
    assert count_pages(bomb) == 1


def test_pages_become_images_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_of("red", "blue"))
    for source in (path, str(path), path.read_bytes(), File(path)):
        images = Image.from_pdf(source, target_size=400)
        assert [(image.size, image.media_type) for image in images] == [((300, 400), "image/jpeg")] * 2
    middles = [Pillow.open(io.BytesIO(image.data)).getpixel((150, 200)) for image in images]
    assert middles[0][0] > 245 > 10 > middles[0][2]  # type: ignore[index]  # a tuple for RGB
    assert middles[1][2] > 245 > 10 > middles[1][0]  # type: ignore[index]  # as above


def test_dpi_bounds_the_size_and_a_huge_page_costs_little() -> None:
    # Pillow writes 72 dots per inch: 600 x 800 dots are 600 x 800 points.
    assert Image.from_pdf(pdf_of("red"), dpi=36)[0].size == (300, 400)
    assert Image.from_pdf(pdf_of("red"))[0].size == (768, 1024)
    huge = pdf_of("red", size=(40, 30)).replace(b"[ 0 0 40.0 30.0 ]", b"[ 0 0 80000 60000 ]")
    assert b"80000" in huge  # at 200 dpi that would be 37 billion pixels
    assert Image.from_pdf(huge, target_size=100)[0].size == (100, 75)


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (b"%PDF-1.7 junk", {}, "cannot be read as PDF.*without a password"),
        (b"", {}, "cannot be read as PDF"),
        ("/nowhere/a.pdf", {}, "cannot be read: No such file"),
        (b"", {"dpi": 0}, "dpi and target_size are positive numbers; got 0"),
        (b"", {"dpi": float("nan")}, "got nan"),
        (b"", {"target_size": -1}, "got -1"),
    ],
)
def test_what_cannot_be_drawn_is_told(content: bytes | str, options: dict[str, int], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Image.from_pdf(content, **options)


def test_without_pypdfium2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(ConfigError, match=r"pip install 'deluge-sync\[pdf\]'"):
        Image.from_pdf(pdf_of("red"))


def test_threads_never_meet_inside_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call of PDFium is made by a thread that holds the lock."""
    pypdfium2 = import_module("pypdfium2")  # it has no types

    from deluge_sync.prompt import pdf

    unlocked: list[str] = []

    def guarded(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def checked(*args: object, **options: object) -> object:
            if not pdf._library.lock.locked():
                unlocked.append(name)
            return call(*args, **options)

        return checked

    raw = pypdfium2.raw
    called = {name: guarded(name, getattr(raw, name)) for name in ("FPDF_LoadPage", "FPDF_RenderPageBitmap")}
    called |= {name: guarded(name, getattr(raw, name)) for name in ("FPDF_ClosePage", "FPDF_CloseDocument")}
    called |= {name: guarded(name, getattr(raw, name)) for name in ("FPDFBitmap_Destroy", "FPDF_GetPageCount")}
    for name, call in called.items():
        monkeypatch.setattr(raw, name, call)
    content = pdf_of("red", "blue")
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(len(Image.from_pdf(content)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert counts == [2] * 4
    assert unlocked == []

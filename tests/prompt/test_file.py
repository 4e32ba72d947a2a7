from __future__ import annotations

from pathlib import Path

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import File


def test_its_type_is_told_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"%PDF-1.7")
    (tmp_path / "b.csv").write_bytes(b"a,b")
    assert File(tmp_path / "a.txt").media_type == "application/pdf"
    assert File(tmp_path / "b.csv").media_type == "text/csv"
    assert File(b"a,b", filename="b.csv").media_type == "text/csv"
    assert File(b"a,b", filename="b.csv", media_type="Text/Plain").media_type == "text/plain"
    assert File(b"\0\1").media_type == "application/octet-stream"
    assert File("https://example.com/x.pdf").media_type == "application/pdf"
    assert File("https://example.com/x").media_type is None


def test_its_name_is_that_of_its_path_or_url_unless_given(tmp_path: Path) -> None:
    assert File(tmp_path / "a.txt").filename == "a.txt"
    assert File(tmp_path / "a.txt", filename="b.txt").filename == "b.txt"
    assert File("https://example.com/d/x%20y.pdf?k=1").filename == "x y.pdf"
    assert File(b"x").filename is None
    assert File(b"%PDF-1").sent_name == "file.pdf"
    assert File(b"x", filename="x").sent_name == "x"


def test_name_and_type_are_part_of_what_it_is() -> None:
    files = [
        File(b"a,b"),
        File(b"a,b", media_type="text/csv"),
        File(b"a,b", filename="x"),
        File(b"a,c"),
    ]
    assert len({file.fingerprint for file in files}) == len(set(files)) == 4
    assert File(b"%PDF-1", media_type="text/plain") == File(b"%PDF-1")


def test_of_takes_a_file_or_makes_one() -> None:
    file = File(b"%PDF-1", filename="x.pdf")
    assert File.of(file) == file
    assert File.of(file, media_type="text/plain", filename="y.pdf") == File(b"%PDF-1", filename="y.pdf")
    assert File.of(b"a,b", media_type="text/csv") == File(b"a,b", media_type="text/csv")
    with pytest.raises(ConfigError, match="filename is a text; got 5"):
        File(b"x", filename=5)  # type: ignore[arg-type]


def test_a_missing_file_is_told_when_it_is_read(tmp_path: Path) -> None:
    file = File(tmp_path / "x.pdf")
    for ask in ("data", "data_url", "media_type", "pages", "fingerprint"):
        with pytest.raises(ConfigError, match=r"x.pdf' cannot be read"):
            getattr(file, ask)


def test_only_a_pdf_has_pages() -> None:
    assert File(b"%PDF-1.4 /Type /Page /Type/Pages /Type/Page>>").pages == 2
    assert File(b"/Type /Page").pages is None
    assert File("https://example.com/x.pdf").pages is None

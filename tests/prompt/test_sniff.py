"""The magic numbers are those of each format's own specification."""

from __future__ import annotations

import pytest

from deluge_sync.prompt.sniff import extension_of, sniff, type_of, type_of_name


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypmif1", "image/heif"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg>', "image/svg+xml"),
        (b'<?xml version="1.0"?><note/>', None),
        (b"hello", None),
        (b"", None),
        (b"RIFF", None),
    ],
)
def test_the_first_bytes_tell_the_type(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize(
    ("head", "declared", "name", "kind"),
    [
        (b"\xff\xd8\xff", "image/png", "a.png", "image/jpeg"),  # content beats what it was said to be
        (b"a,b\n", "text/csv", "a.txt", "text/csv"),
        (b"a,b\n", None, "a.CSV", "text/csv"),
        (b"a,b\n", None, None, "text/plain"),
        ("grün"[:4].encode()[:-1], None, None, "text/plain"),
        ("grü".encode()[:-1], None, None, "text/plain"),  # a character cut at the end
        (b"\x00\x01\x02", None, None, "application/octet-stream"),
        (b"\xfe\xfe\xfe", None, "noext", "application/octet-stream"),
        (b"PK\x03\x04", None, "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_what_the_content_does_not_tell_is_asked_elsewhere(
    head: bytes, declared: str | None, name: str | None, kind: str
) -> None:
    assert type_of(head, declared=declared, name=name) == kind


def test_a_type_has_its_usual_extension() -> None:
    assert [extension_of(kind) for kind in ("image/jpeg", "text/html", "application/pdf")] == ["jpg", "html", "pdf"]
    assert extension_of("model/stl") == extension_of(None) == "bin"
    assert type_of_name("x.jpeg") == "image/jpeg"

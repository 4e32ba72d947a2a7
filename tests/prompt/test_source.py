from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.source import Inline, LocalFile, Remote, Uploaded, is_url, read_base64, source_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)


def of(data: Any) -> Any:
    return source_of(data, file_id=None, provider=None)


@pytest.mark.parametrize(
    ("data", "source", "kind"),
    [
        (PNG, Inline(PNG), None),
        (bytearray(PNG), Inline(PNG), None),
        (memoryview(PNG), Inline(PNG), None),
        (Path("a.png"), LocalFile("a.png"), None),
        ("dir/a.png", LocalFile("dir/a.png"), None),
        ("/9j/a.jpg", LocalFile("/9j/a.jpg"), None),  # JPEG as base64 begins so
        ("https://example.com/a.png?x=1", Remote("https://example.com/a.png?x=1"), None),
        ("HTTP://example.com", Remote("HTTP://example.com"), None),
        (base64.b64encode(PNG).decode(), Inline(PNG), None),
        (base64.b64encode(JPEG).decode(), Inline(JPEG), None),
        (base64.encodebytes(PNG).decode(), Inline(PNG), None),
        ("data:image/png;base64," + base64.b64encode(PNG).decode(), Inline(PNG), "image/png"),
        ("DATA:Text/CSV;charset=utf-8;base64,YSxi", Inline(b"a,b"), "text/csv"),
        ("data:text/plain,a%20b", Inline(b"a b"), "text/plain"),
        ("data:,a", Inline(b"a"), None),
    ],
)
def test_a_value_tells_where_its_content_is(data: Any, source: Any, kind: str | None) -> None:
    assert of(data) == (source, kind)


def test_a_buffer_is_taken_whole_wherever_it_stands(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    buffer.write(PNG)  # now at its end, where many a caller leaves it
    assert of(buffer) == (Inline(PNG), None)
    (tmp_path / "a").write_bytes(PNG)
    with (tmp_path / "a").open("rb") as file:
        assert of(file) == (Inline(PNG), None)


def test_an_upload_has_an_id_and_a_provider() -> None:
    assert source_of(None, file_id="f", provider="google") == (Uploaded("f", "gemini"), None)
    for file_id, provider in [("f", None), ("", "openai"), ("f", "")]:
        with pytest.raises(ConfigError, match="a file_id needs its provider"):
            source_of(None, file_id=file_id, provider=provider)
    with pytest.raises(ConfigError, match="belongs to a file_id"):
        source_of(PNG, file_id=None, provider="openai")
    with pytest.raises(ConfigError, match="give the data"):
        source_of(PNG, file_id="f", provider="openai")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (5, "not 5"),
        (io.StringIO("text"), "is a path, a URL, bytes"),
        ("", "is no path"),
        ("a\0b", "is no path"),
        ("file:///etc/hostname", "a URL that no one fetches"),
        ("gs://bucket/a.png", "a URL that no one fetches"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,***", "no base64"),
    ],
)
def test_what_holds_no_content_is_refused(data: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        of(data)


def test_a_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    source = LocalFile(str(path))
    before = source.stamp()
    assert (source.read(), source.read(2)) == (b"one", b"on")
    path.write_bytes(b"two!")
    assert source.stamp() != before
    assert source.read() == b"two!"


def test_what_cannot_be_read_to_an_end_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe"):
        with pytest.raises(ConfigError, match="is no regular file"):
            LocalFile(str(tmp_path / name)).read()
    with pytest.raises(ConfigError, match=r"missing' cannot be read: No such file or directory"):
        LocalFile(str(tmp_path / "missing")).read()
    with pytest.raises(ConfigError, match="File name too long"):
        LocalFile("A" * 5000).read()


def test_no_key_in_a_url_is_shown() -> None:
    assert str(Remote("https://ann:secret@example.com/a.png?sig=secret#secret")) == "'https://example.com/a.png'"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("https://a", True), ("https://", False), ("http://[", False), ("ftp://a", False), ("/etc/x", False)],
)
def test_only_http_is_a_url(text: str, is_one: bool) -> None:
    assert is_url(text) is is_one


def test_base64_may_be_broken_in_lines_or_lack_its_padding() -> None:
    assert read_base64("YQ") == read_base64("Y\r\nQ==\n") == b"a"
    assert read_base64("-_-_") == read_base64("+/+/")
    assert read_base64("a") is None
    assert read_base64("é") is None

"""`image_url` and `file`, as OpenAI's document of the content parts has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, File, Image, Message, Part, ProviderPart
from deluge_sync.prompt.dialects.openai_chat_media import DIALECT as D
from deluge_sync.prompt.dialects.openai_chat_media import dump_file, dump_image

GIF = b"GIF89a"
GIF_URL = "data:image/gif;base64,R0lGODlh"
PDF_URL = "data:application/pdf;base64,JVBERi0xLjc="
CACHED = {"cache_control": {"type": "ephemeral"}}

# What stands in both directions.
PAIRS: list[tuple[Image | File, dict[str, Any]]] = [
    (Image(GIF), {"type": "image_url", "image_url": {"url": GIF_URL}}),
    (Image(GIF, detail="high"), {"type": "image_url", "image_url": {"url": GIF_URL, "detail": "high"}}),
    (Image("http://a.example/x"), {"type": "image_url", "image_url": {"url": "http://a.example/x"}}),
    (
        Image(GIF, extra={D: {**CACHED, "image_url": {"detail": "original", "x": 1}}}),
        {"type": "image_url", "image_url": {"url": GIF_URL, "detail": "original", "x": 1}, **CACHED},
    ),
    (File(b"%PDF-1.7"), {"type": "file", "file": {"filename": "file.pdf", "file_data": PDF_URL}}),
    (File(b"%PDF-1.7", filename="a"), {"type": "file", "file": {"filename": "a", "file_data": PDF_URL}}),
    (
        File(b"a,b", media_type="text/csv", extra={D: {**CACHED, "file": {"x": 1}}}),
        {
            "type": "file",
            "file": {"filename": "file.csv", "file_data": "data:text/csv;base64,YSxi", "x": 1},
            **CACHED,
        },
    ),
    (File(file_id="f1", provider="openai"), {"type": "file", "file": {"file_id": "f1"}}),
]


def load(part: dict[str, Any], **options: bool) -> Part:
    return Conversation.from_openai_chat([{"role": "user", "content": [part]}], **options)[0].parts[0]


@pytest.mark.parametrize(("part", "written"), PAIRS)
def test_it_is_written_so(part: Image | File, written: dict[str, Any]) -> None:
    assert (dump_image(part) if isinstance(part, Image) else dump_file(part)) == written


@pytest.mark.parametrize(("part", "written"), PAIRS)
def test_it_is_read_so(part: Image | File, written: dict[str, Any]) -> None:
    assert load(written) == part


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"image_url": {"url": GIF_URL, "detail": "auto"}}, Image(GIF)),
        ({"image_url": {"url": GIF_URL, "detail": None}}, Image(GIF)),
        ({"image_url": {"url": "data:image/png;base64,R0lGODlh"}}, Image(GIF)),  # mislabelled by its sender
        ({"file": {"file_data": PDF_URL}}, File(b"%PDF-1.7")),
        ({"file": {"file_data": "JVBERi0xLjc=", "filename": "x.pdf"}}, File(b"%PDF-1.7", filename="x.pdf")),
    ],
)
def test_other_ways_to_say_it_are_read_too(given: dict[str, Any], part: Part) -> None:
    assert load({"type": next(iter(given)), **given}) == part


@pytest.mark.parametrize(
    "given",
    [
        {"type": "image_url", "image_url": "https://a.example/x"},
        {"type": "image_url", "image_url": {"detail": "low"}},
        {"type": "file", "file": {"file_data": "https://a.example/x.pdf", "filename": "x.pdf"}},
        {"type": "file", "file": {"file_data": PDF_URL, "file_id": "f1"}},
        {"type": "file", "file": {}},
    ],
)
def test_another_form_is_kept_as_it_was(given: dict[str, Any]) -> None:
    assert load(given) == ProviderPart(D, given)
    assert Conversation([Message("user", [load(given)])]).to_openai()[0]["content"] == [given]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"image_url": {"url": "/etc/hostname"}}, "not '/etc/hostname'; a local file is read only with allow_local"),
        ({"image_url": {"url": "file:///etc/hostname"}}, "not 'file:///etc/hostname'"),
        ({"image_url": {"url": "hostname"}}, "not 'hostname'"),
        ({"image_url": {"url": ""}}, "not ''"),
        ({"image_url": {"url": "data:image/png;base64,***"}}, "no base64"),
        ({"file": {"file_data": "/etc/hostname", "filename": "x"}}, "a file's data is base64 or a data URL"),
        ({"file": {"file_data": "../a.pdf"}}, "a local file is read only with allow_local_files=True"),
        ({"file": {"file_data": PDF_URL, "filename": 5}}, "filename must be a text, not 5"),
    ],
)
def test_no_local_file_is_read_for_others(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"type": next(iter(given)), **given})
    assert str(caught.value).startswith("message 0: ")
    assert told in str(caught.value)


def test_what_decodes_as_base64_is_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text("secret")
    monkeypatch.chdir(tmp_path)
    part = load({"type": "file", "file": {"file_data": "etc/host", "filename": "x.bin"}})
    assert isinstance(part, File)
    assert part.path is None
    assert b"secret" not in part.data


def test_local_files_are_read_where_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(GIF)
    image = load({"type": "image_url", "image_url": {"url": str(path)}}, allow_local_files=True)
    assert isinstance(image, Image)
    assert dump_image(image) == {"type": "image_url", "image_url": {"url": GIF_URL}}
    file = load({"type": "file", "file": {"file_data": str(path), "filename": "b.gif"}}, allow_local_files=True)
    assert isinstance(file, File)
    assert dump_file(file)["file"] == {"filename": "b.gif", "file_data": GIF_URL}


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Image(file_id="f1", provider="openai"), "take no image by its file id"),
        (File(file_id="f1", provider="anthropic"), "is not known to openai"),
        (File("https://a.example/x.pdf"), "has to be fetched first"),
        (File("/nowhere/x.pdf"), "cannot be read"),
    ],
)
def test_what_has_no_form_here_is_told_not_dropped(part: Image | File, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Conversation([Message("user", [part])]).to_openai()

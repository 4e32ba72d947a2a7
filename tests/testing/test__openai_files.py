"""The official package, strict about replies, is the judge."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing
from typing import Any

import openai
import pytest

from deluge_sync.testing import FakeProvider

Official = Callable[..., openai.OpenAI]

# Line ends of both kinds, a border-like line and bytes that are no text: all of it must come back.
CONTENT = b"a\r\n--border\r\n\r\nb\n\x00\xff\r\n"


@pytest.fixture
def files(fake_provider: FakeProvider, official: Official) -> openai.resources.Files:
    return official(fake_provider).files


def test_an_uploaded_file_comes_back_byte_for_byte(files: openai.resources.Files) -> None:
    stored = files.create(file=("größe.bin", CONTENT), purpose="user_data")
    assert (stored.filename, stored.bytes, stored.purpose) == ("größe.bin", len(CONTENT), "user_data")
    assert stored.expires_at is None
    assert files.content(stored.id).content == CONTENT
    assert files.retrieve(stored.id) == stored


def test_an_empty_file_is_a_file_too(files: openai.resources.Files) -> None:
    stored = files.create(file=("empty", b""), purpose="user_data")
    assert files.content(stored.id).content == b""


def test_a_file_can_be_given_an_end(files: openai.resources.Files) -> None:
    stored = files.create(file=b"x", purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})
    assert stored.expires_at == stored.created_at + 3600
    for_a_batch = files.create(file=b"x", purpose="batch")
    assert for_a_batch.expires_at == for_a_batch.created_at + 30 * 24 * 3600
    with pytest.raises(openai.BadRequestError, match="3600 to 2592000"):
        files.create(file=b"x", purpose="batch", expires_after={"anchor": "created_at", "seconds": 3599})


def test_files_are_listed_in_pages_the_newest_first(files: openai.resources.Files) -> None:
    ids = [files.create(file=b"x", purpose="batch" if n % 2 else "user_data").id for n in range(5)]
    assert [file.id for file in files.list(limit=2)] == ids[::-1]
    assert [file.id for file in files.list(limit=2).data] == ids[:2:-1]
    assert [file.id for file in files.list(order="asc")] == ids
    assert [file.id for file in files.list(purpose="batch", order="asc")] == [ids[1], ids[3]]
    with pytest.raises(openai.BadRequestError, match="'limit' must be 1 to 10000"):
        files.list(limit=0)


def test_a_deleted_file_is_gone(files: openai.resources.Files) -> None:
    stored = files.create(file=b"x", purpose="user_data")
    assert files.delete(stored.id).deleted
    for look in (files.retrieve, files.content, files.delete):
        with pytest.raises(openai.NotFoundError, match=stored.id):
            look(stored.id)
    assert files.list().data == []


def test_two_providers_share_no_files(
    fake_provider: FakeProvider, fake_provider_factory: Callable[..., FakeProvider], official: Official
) -> None:
    official(fake_provider).files.create(file=b"x", purpose="user_data")
    assert official(fake_provider_factory()).files.list().data == []


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"file": b"x", "purpose": "fun"}, "'purpose' must be one of assistants, batch"),
        ({"file": b"x", "purpose": ""}, "'purpose' must be one of"),
    ],
)
def test_a_wrong_form_is_refused(files: openai.resources.Files, form: Any, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        files.create(**form)


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("application/json", "{}", "must be multipart/form-data"),
        ("multipart/form-data; boundary=b", "--b\r\n\r\nx\r\n", "must be multipart/form-data"),
        ("multipart/form-data", "--b\r\n\r\nx\r\n--b--\r\n", "must be multipart/form-data"),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
            "'file' must be a file",
        ),
    ],
    ids=["json", "cut", "no-border", "text-for-a-file"],
)
def test_what_is_no_form_is_refused(fake_provider: FakeProvider, content_type: str, body: str, message: str) -> None:
    connection = http.client.HTTPConnection(fake_provider.url.removeprefix("http://"), timeout=5)
    with closing(connection):
        headers = {"Content-Type": content_type, "Authorization": "Bearer k"}
        connection.request("POST", "/v1/files", body.encode(), headers)
        reply = connection.getresponse()
        assert reply.status == 400
        assert message in reply.read().decode()


def test_files_count_against_no_limit(fake_provider_factory: Callable[..., FakeProvider], official: Official) -> None:
    client = official(fake_provider_factory(requests_per_minute=1, burst_s=60.0))
    for _ in range(3):
        client.files.create(file=b"x", purpose="user_data")
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])

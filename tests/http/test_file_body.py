"""Bodies that are files: their bytes, their length, and that each sending reads them anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from deluge_sync._http import FileBody, HttpRequest, Transport
from deluge_sync._http import file_body as module
from deluge_sync.testing import FakeProvider


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize(
    ("content", "plain", "joined"),
    [
        (b"", b"<>", b"<>"),
        (b"one\n", b"<one\n>", b"<one>"),
        (b"one\ntwo\nthree\n", b"<one\ntwo\nthree\n>", b"<one,two,three>"),
        (b"a\nb\nc\nd\n", b"<a\nb\nc\nd\n>", b"<a,b,c,d>"),
    ],
)
def test_the_pieces_are_the_file_between_head_and_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, content: bytes, plain: bytes, joined: bytes
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", block)
    path = tmp_path / "file"
    path.write_bytes(content)
    for is_joined, expected in ((False, plain), (True, joined)):
        body = FileBody(path, head=b"<", tail=b">", joined=is_joined)
        assert b"".join(body) == b"".join(body) == expected
        assert len(body) == len(expected)


def test_a_file_is_sent_with_its_length_and_once_more_over_a_stale_connection(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 700_000)
    body = FileBody(path, head=b'{"model": "', tail=b'"}')
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/json", "Authorization": "Bearer k"}
    request = HttpRequest("POST", f"{fake_provider.openai_url}/chat/completions", headers, file=body)
    transport = Transport()

    assert transport.send(request, timeout_s=10).status == 400  # it has no messages
    fake_provider.stop()
    fake_provider.start()  # the kept connection is gone
    assert transport.send(request, timeout_s=10).status == 400

    transport.close()
    assert [record.body for record in fake_provider.ledger] == [b"".join(body)] * 2
    assert all("transfer-encoding" not in record.headers for record in fake_provider.ledger)

"""The body is read back by the standard library's parser of messages."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from deluge_sync._http.multipart import FilePart, encode_form


def test_a_form_keeps_the_order_and_the_bytes_of_its_parts() -> None:
    content = b"\x00\xff--not-the-border"
    content_type, body = encode_form(
        [("purpose", "batch"), ("file", FilePart("in.jsonl", content, "application/jsonl")), ("note", "größe")]
    )
    form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    found = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True))
        for part in form.iter_parts()
    ]
    assert found == [("purpose", None, b"batch"), ("file", "in.jsonl", content), ("note", None, "größe".encode())]
    assert [part.get_content_type() for part in form.iter_parts()][1] == "application/jsonl"


def test_a_name_cannot_break_out_of_its_header() -> None:
    _, body = encode_form([("file", FilePart('a"\r\nX-Evil: 1', b"", "text/plain"))])
    assert b"\r\nX-Evil" not in body
    assert body.count(b'"') == 4


def test_each_form_has_a_border_of_its_own() -> None:
    assert encode_form([("a", "1")])[0] != encode_form([("a", "1")])[0]

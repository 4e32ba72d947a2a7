from __future__ import annotations

from deluge_sync._http.multipart import FilePart, encode_form
from deluge_sync.testing._form import FormPart, parse_form


def test_a_form_is_read_as_it_was_written() -> None:
    content = b"\r\n--x\r\n\x00\xff\r\n"
    content_type, body = encode_form(
        [("purpose", "größe"), ("file", FilePart("größe.bin", content, "image/png")), ("empty", "")]
    )
    form = parse_form(content_type, body)
    assert form == [
        FormPart("purpose", "größe".encode()),
        FormPart("file", content, "größe.bin", "image/png"),
        FormPart("empty", b""),
    ]
    assert form[0].text == "größe"


def test_a_border_may_be_quoted_and_followed_by_more() -> None:
    body = b'--a b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--a b--\r\nepilogue'
    assert parse_form('multipart/form-data; boundary="a b"; charset=utf-8', body) == [FormPart("x", b"1")]


def test_what_is_cut_or_another_type_is_no_form() -> None:
    content_type, body = encode_form([("a", "1")])
    assert parse_form(content_type, body[:-8]) is None
    assert parse_form(content_type, b"") is None
    assert parse_form("application/json", body) is None
    assert parse_form("multipart/form-data", body) is None

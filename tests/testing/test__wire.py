from __future__ import annotations

import io

import pytest

from deluge_sync.testing._wire import MalformedRequestError, read_request


def no_continue() -> None:
    raise AssertionError("nobody asked for 100 Continue")


def test_two_requests_are_read_one_after_another() -> None:
    stream = io.BytesIO(
        b"POST /a?b=1 HTTP/1.1\r\nContent-Length: 3\r\nX-Name:  v \r\n\r\nabc"
        b"GET /c HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    first, second = read_request(stream, no_continue), read_request(stream, no_continue)
    assert first is not None
    assert (first.method, first.path, first.body, first.keep_alive) == ("POST", "/a", b"abc", True)
    assert first.headers == {"content-length": "3", "x-name": "v"}
    assert second is not None
    assert (second.method, second.path, second.body, second.keep_alive) == ("GET", "/c", b"", False)
    assert read_request(stream, no_continue) is None


def test_a_chunked_body_is_joined() -> None:
    stream = io.BytesIO(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
    )
    request = read_request(stream, no_continue)
    assert request is not None
    assert request.body == b"abc0123456789"


def test_a_client_that_expects_100_continue_gets_it_before_its_body() -> None:
    asked = []
    stream = io.BytesIO(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
    request = read_request(stream, lambda: asked.append(stream.tell()))
    assert request is not None
    assert (request.body, len(asked)) == (b"x", 1)


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"POST / HT",
        b"POST / HTTP/1.1\r\nContent-Le",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_a_request_that_is_cut_is_none(cut: bytes) -> None:
    assert read_request(io.BytesIO(cut), no_continue) is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_not_http_is_refused(garbage: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        read_request(io.BytesIO(garbage), no_continue)

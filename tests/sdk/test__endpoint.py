from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import Field

from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.sdk._base import Endpoint, Model, Param, RequestModel, Upload

BASE = "https://host.example/v1"


class Inner(RequestModel):
    max_size: int | None = Field(None, alias="maxSize")


class Form(RequestModel):
    file: Upload
    more_files: list[Upload] | None = Field(None, alias="moreFiles")
    is_public: bool | None = None
    tags: list[str] | None = None
    limits: Inner | None = None


class Event(Model):
    kind: str | None = None
    delta: dict[str, Any] | None = None


def endpoint(path: str = "/x", *params: Param, **fields: Any) -> Endpoint[Any, Any, Any]:
    return Endpoint("POST", path, Form, Event, Event, params, **fields)


LOOK = endpoint(
    "/{name}:look/{model}",
    Param("name", "name", "path", str, required=True, keeps_slashes=True),
    Param("model", "model", "path", str, required=True),
    Param("page_size", "pageSize", "query", int),
    Param("share", "share", "query", float),
    Param("deep", "deep", "query", bool),
    Param("kinds", "kinds", "query", list),
    Param("alt", "alt", "query", str, fixed="sse"),
    Param("the_beta", "the-beta", "header", list),
)
NAMED = {"name": "files/abc", "model": "m"}


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "/files/abc:look/m?alt=sse"),
        ({"page_size": 3}, "/files/abc:look/m?alt=sse&pageSize=3"),
        ({"page_size": None}, "/files/abc:look/m?alt=sse"),
        ({"deep": True, "share": 0.5}, "/files/abc:look/m?alt=sse&deep=true&share=0.5"),
        ({"share": 1}, "/files/abc:look/m?alt=sse&share=1"),
        ({"kinds": ["a&b", "c d"]}, "/files/abc:look/m?alt=sse&kinds=a%26b&kinds=c%20d"),
        ({"model": "arn:aws:x/y z%"}, "/files/abc:look/arn%3Aaws%3Ax%2Fy%20z%25?alt=sse"),
        ({"model": "{name}"}, "/files/abc:look/%7Bname%7D?alt=sse"),
        ({"name": "a?b/#c"}, "/a%3Fb/%23c:look/m?alt=sse"),
        ({"name": "größe"}, "/gr%C3%B6%C3%9Fe:look/m?alt=sse"),
    ],
)
def test_parameters_are_filled_in_and_encoded(values: dict[str, Any], url: str) -> None:
    assert LOOK.url(BASE, NAMED | values) == BASE + url


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": ".."}, "would lead to another path"),
        ({"model": ""}, "would lead to another path"),
        ({"name": "files/../models"}, "would lead to another path"),
        ({"name": "/files"}, "would lead to another path"),
        ({"name": None}, "needs name; pass it as a keyword"),
        ({"pageSize": 3}, r"has no parameter pageSize; it knows name, model, page_size, share, deep, kinds, the_beta"),
        ({"alt": "json"}, "has no parameter alt"),
        ({"page_size": "3"}, "page_size must be int, not '3'"),
        ({"page_size": True}, "page_size must be int, not True"),
        ({"deep": 1}, "deep must be bool, not 1"),
        ({"kinds": "a"}, "kinds must be list, not 'a'"),
    ],
)
def test_a_parameter_that_cannot_be_right_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LOOK.url(BASE, NAMED | values)


def test_an_endpoint_without_parameters_takes_none() -> None:
    with pytest.raises(ConfigError, match="POST /x has no parameter limit; it has none"):
        endpoint().url(BASE, {"limit": 1})


def test_a_parameter_may_be_a_header() -> None:
    assert LOOK.headers(NAMED | {"the_beta": ["a", "b"]}) == {"the-beta": "a,b"}
    assert LOOK.headers(NAMED) == {}


def test_a_prefix_goes_between_host_and_path() -> None:
    assert endpoint(path_prefix="/upload").url(BASE) == "https://host.example/upload/v1/x"
    assert endpoint(path_prefix="/upload").url("http://127.0.0.1:80") == "http://127.0.0.1:80/upload/x"
    proxied = endpoint(path_prefix="/upload").url("http://127.0.0.1:80/gemini/v1")
    assert proxied == "http://127.0.0.1:80/gemini/upload/v1/x"


def test_a_form_has_a_part_for_each_value() -> None:
    request = Form(
        file=Upload(filename='a"b', content=b"1"),
        more_files=[Upload(filename="c", content=b"2"), Upload(filename="d", content=b"3")],
        is_public=True,
        tags=["x", "y"],
        limits=Inner(max_size=7),
    )
    content_type, body = endpoint(request_form="multipart/form-data").encode(request)
    assert content_type.startswith("multipart/form-data; boundary=")
    assert body is not None
    border = content_type.rpartition("=")[2].encode()
    parts = [part.strip(b"\r\n").partition(b"\r\n\r\n") for part in body.split(b"--" + border)[1:-1]]
    heads = [head.removeprefix(b"Content-Disposition: form-data; ").decode() for head, _, _ in parts]
    binary = "\r\nContent-Type: application/octet-stream"
    assert heads == [
        f'name="file"; filename="a%22b"{binary}',
        f'name="moreFiles[]"; filename="c"{binary}',
        f'name="moreFiles[]"; filename="d"{binary}',
        'name="is_public"',
        'name="tags[]"',
        'name="tags[]"',
        'name="limits[maxSize]"',
    ]
    assert [content for _, _, content in parts] == [b"1", b"2", b"3", b"true", b"x", b"y", b"7"]


def test_an_event_of_an_aws_stream_is_named_by_its_key() -> None:
    class Stream(Model):
        delta: Event | None = None

    stream: Endpoint[None, None, Stream] = Endpoint(
        "POST", "/x", type(None), type(None), Stream, event_form="application/vnd.amazon.eventstream"
    )
    found = stream.parse_event(b'{"kind": "text"}', "delta")
    assert found.delta is not None
    assert found.delta.kind == "text"
    assert stream.parse_event(b"", 'new"name').model_dump(exclude_none=True) == {'new"name': {}}
    with pytest.raises(ReplyFormatError, match="no Stream"):
        stream.parse_event(b"{", "delta")


@pytest.mark.parametrize(
    ("data", "kind"), [({}, "ping"), ({"kind": "pong"}, "pong"), ({"kind": "pong", "new": 1}, "pong")]
)
def test_an_event_name_is_put_where_the_data_lacks_it(data: dict[str, Any], kind: str) -> None:
    named = endpoint(event_name_field="kind")
    assert named.parse_event(json.dumps(data).encode(), "ping").model_dump(exclude_none=True) == data | {"kind": kind}
    assert endpoint().parse_event(json.dumps(data).encode(), "ping").kind == data.get("kind")
    with pytest.raises(ReplyFormatError):
        named.parse_event(b"[1", "ping")


def test_a_reply_that_is_none_is_none_whatever_came() -> None:
    nothing: Endpoint[None, None, None] = Endpoint("DELETE", "/x", type(None), type(None), type(None))
    assert nothing.parse(b"<html>") is None

"""Shared by the tests of the embedded provider: official clients, and one request over a bare socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from deluge_sync.testing import FakeProvider

CHAT = "/v1/chat/completions"


@pytest.fixture
def official() -> Iterator[Callable[..., openai.OpenAI]]:
    """The official client of a provider: strict about replies, one try a call."""
    with ExitStack() as stack:

        def connect(provider: FakeProvider, api_key: str = "sk-test-0123456789") -> openai.OpenAI:
            client = openai.OpenAI(
                base_url=provider.openai_url, api_key=api_key, max_retries=0, _strict_response_validation=True
            )
            return stack.enter_context(client)

        yield connect


@pytest.fixture
def chat_body() -> Callable[..., bytes]:
    """The body of a chat request that says one thing, and more fields."""

    def body(text: str = "hello", **fields: Any) -> bytes:
        return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields}).encode()

    return body


@pytest.fixture
def post(chat_body: Callable[..., bytes]) -> Iterator[Callable[..., http.client.HTTPResponse]]:
    """Sends one chat request on a new connection and gives the reply, whose body was read into `.data`."""
    with ExitStack() as stack:

        def send(provider: FakeProvider, body: bytes | None = None, key: str = "k") -> http.client.HTTPResponse:
            host = provider.url.removeprefix("http://")
            connection = http.client.HTTPConnection(host, timeout=5)
            stack.callback(connection.close)
            connection.request("POST", CHAT, body or chat_body(), {"Authorization": f"Bearer {key}"})
            reply = connection.getresponse()
            reply.data = reply.read()  # type: ignore[attr-defined]  # kept for the test
            return reply

        yield send


@pytest.fixture
def raw_request(chat_body: Callable[..., bytes]) -> bytes:
    """A whole chat request as bytes."""
    body = chat_body()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def dial() -> Iterator[Callable[[FakeProvider], socket.socket]]:
    """A bare connection to a provider, with a timeout that only a broken test reaches."""
    with ExitStack() as stack:

        def connect(provider: FakeProvider) -> socket.socket:
            host, _, port = provider.url.removeprefix("http://").partition(":")
            return stack.enter_context(socket.create_connection((host, int(port)), timeout=5))

        yield connect


@pytest.fixture
def read_all() -> Callable[[socket.socket], bytes]:
    """Everything until the other side closes. A reset raises ConnectionResetError."""

    def read(sock: socket.socket) -> bytes:
        received = b""
        while part := sock.recv(65_536):
            received += part
        return received

    return read

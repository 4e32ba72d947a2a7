"""A sentinel key on every way an attempt can end badly: it shows up nowhere but on the wire."""

from __future__ import annotations

import gc
import io
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.errors import ConfigError
from deluge_sync.testing import FakeProvider, Reply

SENTINEL = "sk-sentinel-0123456789abcdefABCDEF"
HEADER_SENTINEL = "header-sentinel-9876543210"

_ECHO = json.dumps({"error": {"message": f"Incorrect API key provided: {SENTINEL}.", "code": "invalid_api_key"}})
_JSON = {"content-type": "application/json"}

ERROR_PATHS = {
    "401 that echoes": Reply.raw(401, _JSON, _ECHO.encode()),
    "400 that echoes": Reply.error(400, message=f"bad request, key {SENTINEL} of Bearer {SENTINEL}"),
    "400 whose code echoes": Reply.error(400, code=SENTINEL, message="no"),
    "403 as text": Reply.raw(403, {"content-type": "text/plain"}, f"Authorization: Bearer {SENTINEL}".encode()),
    "500 as a page": Reply.raw(500, {"content-type": "text/html"}, f"<pre>{SENTINEL}</pre>".encode()),
    "429 that echoes": Reply.error(429, message=f"limit of {SENTINEL}", retry_after=0.05),
    "echo in a 200": Reply.raw(200, _JSON, _ECHO.encode()),
    "echo cut in half": Reply.raw(200, _JSON, _ECHO[: _ECHO.index(SENTINEL) + len(SENTINEL)].encode()),
    "reset": Reply.reset(),
    "close": Reply.close(),
    "silence": Reply.hang(60),
    "truncated": Reply.truncated(),
    "half a document": Reply.half_json(),
    "not UTF-8": Reply.not_utf8(),
    "redirect": Reply.redirect(f"http://127.0.0.1:9/{SENTINEL}"),
}


class Ears(logging.Handler):
    """Hears every record of every logger, and formats it with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{self.format(record)} {record.args!r} {record.__dict__!r}")


@pytest.fixture
def ears() -> Iterator[Ears]:
    root = logging.getLogger()
    before, ears = root.level, Ears()
    root.addHandler(ears)
    root.setLevel(logging.DEBUG)
    yield ears
    root.removeHandler(ears)
    root.setLevel(before)


def everything_about(error: BaseException | None) -> Iterator[str]:
    """Texts, arguments, attributes and local variables of an exception and of all that it carries."""
    while error is not None:
        yield repr(error)
        yield repr(vars(error))
        yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("path", list(ERROR_PATHS))
def test_no_way_of_failing_shows_the_key(
    path: str,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    ears: Ears,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", screen)
    provider = fake_provider_factory(script=lambda _: ERROR_PATHS[path])
    client = connect(
        provider,
        api_key=SENTINEL,
        extra_headers={"x-proxy-key": HEADER_SENTINEL},
        request_timeout=1,
        max_attempts=2,
        max_seconds_per_prompt=1.5,
    )

    responses = client.process_prompts_sync(["one", "two"])
    client.close()
    gc.collect()

    assert {record.key for record in provider.ledger} == {SENTINEL}  # it was sent, and so could have been shown
    shown = [f"{response!r} {response.to_dict()} {asdict(response)}" for response in responses]
    shown += [str(client.tracker.snapshot()), repr(client), repr(client.__dict__), screen.getvalue(), *ears.heard]
    for text in shown:
        assert SENTINEL not in text
        assert HEADER_SENTINEL not in text


@pytest.mark.parametrize("key", [f"{SENTINEL}\r\nX-Evil: 1", f"{SENTINEL} and more", f"{SENTINEL}é", f"\x00{SENTINEL}"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_quoted(
    key: str, fake_provider: FakeProvider, ears: Ears
) -> None:
    with pytest.raises(ConfigError) as caught:
        LLMClient(base_url=fake_provider.openai_url, api_key=key).process_prompts_sync(["x"], show_progress=False)

    for text in (str(caught.value), repr(vars(caught.value)), repr(caught.value.__context__), *ears.heard):
        assert SENTINEL not in text
    assert fake_provider.ledger == []


def test_the_error_of_a_transport_that_fails_carries_no_key(ears: Ears) -> None:
    from deluge_sync._http import HttpRequest, send
    from deluge_sync._secret import Secret
    from deluge_sync.errors import TransportError

    secret = Secret(SENTINEL)
    headers: dict[str, str | Secret] = {"authorization": secret}
    with pytest.raises(TransportError) as caught:
        send(HttpRequest("POST", "http://127.0.0.1:9/v1", headers, b"{}"), timeout_s=1)

    for text in [*everything_about(caught.value), *ears.heard]:
        assert SENTINEL not in text


def test_a_typed_call_that_is_refused_shows_no_key(fake_provider_factory: Callable[..., FakeProvider]) -> None:
    from deluge_sync.errors import ApiStatusError
    from deluge_sync.sdk import openai

    provider = fake_provider_factory(script=lambda _: Reply.error(500))
    api = openai.api(api_key=SENTINEL, base_url=provider.openai_url)
    body: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(ApiStatusError) as caught:
        api.call(openai.create_chat_completion, openai.ChatCompletionRequest.model_validate(body))

    assert provider.ledger[0].key == SENTINEL
    assert all(SENTINEL not in text for text in (*everything_about(caught.value), repr(api)))

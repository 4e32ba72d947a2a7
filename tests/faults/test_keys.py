"""A sentinel key on every way an attempt can end badly: it shows up nowhere but on the wire."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.errors import ConfigError, Interrupted
from deluge_sync.testing import FakeProvider, Reply

SENTINEL = "sk-sentinel-0123456789abcdefABCDEF"
HEADER_SENTINEL = "header-sentinel-9876543210"

ODD_KEY = "gateway.Zebra/Quilt+Maple="
"""Nothing in it looks like a key, and some write JSON with its slash escaped."""

_JSON = {"content-type": "application/json"}


def error_paths(key: str) -> dict[str, Reply]:
    """Every way to fail, with the key quoted wherever a server could quote it."""
    echo = json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key"}})
    return {
        "401 that echoes": Reply.raw(401, _JSON, echo.encode()),
        "401 with escapes": Reply.raw(401, _JSON, echo.replace("/", "\\/").encode()),
        "400 that echoes": Reply.error(400, message=f"bad request, key {key} of Bearer {key}"),
        "400 whose code echoes": Reply.error(400, code=key, message="no"),
        "403 as text": Reply.raw(403, {"content-type": "text/plain"}, f"Authorization: Bearer {key}".encode()),
        "500 as a page": Reply.raw(
            500, {"content-type": "text/html"}, f"<title>{key}</title><pre>{key}</pre>".encode()
        ),
        "429 that echoes": Reply.error(429, message=f"limit of {key}", retry_after=0.05),
        "echo in a 200": Reply.raw(200, _JSON, echo.encode()),
        "echo cut in half": Reply.raw(200, _JSON, echo[: echo.index(key) + len(key)].encode()),
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


@pytest.mark.parametrize("key", [SENTINEL, ODD_KEY], ids=["looks like a key", "does not"])
@pytest.mark.parametrize("path", list(error_paths(SENTINEL)))
def test_no_way_of_failing_shows_the_key(
    path: str,
    key: str,
    fake_provider_factory: Callable[..., FakeProvider],
    connect: Callable[..., LLMClient],
    ears: Ears,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", screen)
    provider = fake_provider_factory(script=lambda _: error_paths(key)[path])
    client = connect(
        provider,
        api_key=key,
        extra_headers={"x-proxy-key": HEADER_SENTINEL},
        request_timeout=1,
        max_attempts=2,
        max_seconds_per_prompt=1.5,
    )

    responses = client.process_prompts_sync(["one", "two"])
    client.close()
    gc.collect()

    assert {record.key for record in provider.ledger} == {key}  # it was sent, and so could have been shown
    shown = [f"{response!r} {response.to_dict()} {asdict(response)}" for response in responses]
    shown += [pickle.dumps(response).decode("latin-1") for response in responses]
    shown += [str(client.tracker.snapshot()), repr(client), repr(client.__dict__), screen.getvalue(), *ears.heard]
    for text in shown:
        assert key not in text
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


@pytest.mark.parametrize("key", [SENTINEL, ODD_KEY], ids=["looks like a key", "does not"])
@pytest.mark.parametrize("path", [path for path in error_paths(SENTINEL) if path not in ("silence", "redirect")])
def test_a_typed_call_that_fails_shows_no_key_and_its_body_none_that_was_quoted(
    path: str, key: str, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    from deluge_sync.errors import DelugeError
    from deluge_sync.sdk import openai

    provider = fake_provider_factory(script=lambda _: error_paths(key)[path])
    api = openai.api(api_key=key, base_url=provider.openai_url)
    body: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    request = openai.ChatCompletionRequest.model_validate(body)

    error = error_of(api, request)

    assert isinstance(error, DelugeError)
    assert provider.ledger[0].key == key
    pickled = pickle.dumps(error).decode("latin-1")
    assert all(key not in text for text in (*everything_about(error), pickled, repr(api)))


def error_of(api: Any, request: Any) -> BaseException | None:
    """What a call raises. A frame of its own, so that no traceback shows the variables of the test."""
    from deluge_sync.sdk import openai

    try:
        api.call(openai.create_chat_completion, request)
    except Exception as error:  # noqa: BLE001  (whatever it raises is looked at)
        return error
    return None


def test_errors_and_answers_keep_no_key_when_they_are_pickled(
    fake_provider_factory: Callable[..., FakeProvider], connect: Callable[..., LLMClient]
) -> None:
    provider = fake_provider_factory(script=[None, error_paths(SENTINEL)["401 that echoes"]])
    client = connect(provider, api_key=SENTINEL, extra_headers={"x-proxy-key": HEADER_SENTINEL})
    responses = client.process_prompts_sync(["one"], show_progress=False)
    responses += client.process_prompts_sync(["two"], show_progress=False)

    pickled = pickle.dumps(Interrupted(responses)) + b"".join(pickle.dumps(response) for response in responses)

    assert [response.is_error for response in responses] == [False, True]
    assert SENTINEL.encode() not in pickled
    assert HEADER_SENTINEL.encode() not in pickled


@pytest.mark.parametrize(
    "path", ["401 that echoes", "400 that echoes", "403 as text", "500 as a page", "echo in a 200"]
)
def test_the_journal_of_a_command_holds_no_key(
    path: str, tmp_path: Path, fake_provider_factory: Callable[..., FakeProvider]
) -> None:
    provider = fake_provider_factory(script=lambda _: error_paths(ODD_KEY)[path])
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    command = [sys.executable, "-m", "deluge_sync", "run", "prompts.txt", "-o", "results.jsonl", "--no-progress"]

    ended = subprocess.run(
        [*command, "--base-url", provider.openai_url],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": ODD_KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert provider.ledger[0].key == ODD_KEY
    kept = [each.read_text() for each in tmp_path.iterdir()]
    assert sum(text.count('"index"') for text in kept) == 2
    assert all(ODD_KEY not in text for text in (*kept, ended.stdout, ended.stderr))

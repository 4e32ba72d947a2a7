"""What a provider does not fetch is fetched for it, once, and beside the lead of the lane."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from deluge_sync import Conversation, LLMClient
from deluge_sync._http.fetch import Download, Downloader
from deluge_sync.errors import ApiStatusError
from deluge_sync.testing import FakeProvider


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were downloaded; each has its own text as content, and `gone` has none."""
    asked: list[str] = []

    def download(_: Downloader, url: str, **__: Any) -> Download:
        asked.append(url)
        if "gone" in url:
            raise ApiStatusError(404, None)
        return Download(url.encode(), "text/plain")

    monkeypatch.setattr(Downloader, "download", download)
    return asked


@pytest.fixture
def client(fake_provider: FakeProvider) -> LLMClient:
    return LLMClient(
        "gpt-4.1-mini", base_url=fake_provider.openai_url, api_key="sk-test-0123456789", max_requests_per_minute=100_000
    )


def test_a_file_at_a_url_is_fetched_for_a_format_that_cannot_pass_it_on(
    client: LLMClient, fake_provider: FakeProvider, downloads: list[str]
) -> None:
    prompt = Conversation.user("Look:", file="https://example.com/a.txt")
    with client:
        [one, two] = client.process_prompts_sync([prompt, prompt], show_progress=False)
    assert [one.is_error, two.is_error] == [False, False]
    [sent, _] = [record.json["messages"][0]["content"][1]["file"] for record in fake_provider.ledger]
    assert sent == {"filename": "a.txt", "file_data": "data:text/plain;base64,aHR0cHM6Ly9leGFtcGxlLmNvbS9hLnR4dA=="}
    assert downloads == ["https://example.com/a.txt"]
    assert one.prompt == prompt  # and not what was put in it
    assert prompt[0].files[0].url == "https://example.com/a.txt"


@pytest.mark.usefixtures("downloads")
def test_what_cannot_be_fetched_is_the_error_of_its_prompt_alone(
    client: LLMClient, fake_provider: FakeProvider
) -> None:
    prompts = [Conversation.user("Look:", file=f"https://example.com/{name}") for name in ("gone.pdf", "a.txt")]
    with client:
        [gone, found] = client.process_prompts_sync(prompts, show_progress=False)
    assert (gone.error_kind, found.is_error) == ("bad_request", False)
    assert gone.error_message == (
        "file 'https://example.com/gone.pdf' cannot be fetched: its server answered with status 404"
    )
    assert len(fake_provider.ledger) == 1


def test_a_slow_download_holds_up_no_other_prompt(client: LLMClient, monkeypatch: pytest.MonkeyPatch) -> None:
    others_answered = threading.Event()

    def download(*_: Any, **__: Any) -> Download:
        assert others_answered.wait(10)
        return Download(b"late", "text/plain")

    monkeypatch.setattr(Downloader, "download", download)
    prompts: list[Any] = [Conversation.user("Look:", file="https://example.com/a.txt"), "one", "two"]
    places = []
    with client:
        for place, response in client.process_prompts_iter(prompts, show_progress=False):
            assert not response.is_error
            places.append(place)
            if len(places) == 2:
                others_answered.set()
    assert (sorted(places[:2]), places[2]) == ([1, 2], 0)

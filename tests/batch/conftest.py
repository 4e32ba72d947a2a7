"""Every wire format that has batch jobs, as a case: a model, and how the embedded provider is reached and asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import LLMClient
from deluge_sync.testing import FakeProvider, RequestRecord

KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True)
class Case:
    """One wire format.

    base: what comes after the embedded provider's URL. create, answer: the ends of the paths that start a batch and
    that answer one request by itself. look: what is in the path of a look at a batch, and in that of no other GET.
    """

    name: str
    model: str
    base: str
    create: str
    answer: str
    look: str
    results: str
    client: dict[str, Any] = field(default_factory=dict)

    def connect(self, provider: FakeProvider, **settings: Any) -> LLMClient:
        """A client for this format."""
        placed = {"base_url": provider.url + self.base, "api_key": KEY, "max_attempts": 3}
        return LLMClient(self.model, **{**placed, **self.client, **settings})

    def is_creation(self, record: RequestRecord) -> bool:
        return record.method == "POST" and record.path.endswith(self.create)

    def is_look(self, record: RequestRecord) -> bool:
        return record.method == "GET" and self.look in record.path and self.results not in record.path

    def is_download(self, record: RequestRecord) -> bool:
        return record.method == "GET" and self.results in record.path

    def bought(self, provider: FakeProvider) -> int:
        """How many batches were started, those included whose reply was lost."""
        return sum(self.is_creation(record) and record.status in (200, None) for record in provider.ledger)


CASES = {
    "openai": Case(
        "openai", "gpt-4.1-mini", "/v1", "/v1/batches", "/chat/completions", "/v1/batches/batch_", "/content"
    ),
    "responses": Case(
        "openai",
        "gpt-4.1-mini",
        "/v1",
        "/v1/batches",
        "/v1/responses",
        "/v1/batches/batch_",
        "/content",
        {"use_responses_api": True},
    ),
    "anthropic": Case(
        "anthropic",
        "claude-4.5-sonnet",
        "/anthropic/v1",
        "/messages/batches",
        "/v1/messages",
        "/batches/msgbatch_",
        "/results",
    ),
    "gemini": Case(
        "gemini",
        "gemini-2.5-flash",
        "/gemini/v1beta",
        ":batchGenerateContent",
        ":generateContent",
        "/batches/",
        ":download",
    ),
    "mistral": Case(
        "mistral",
        "mistral-small",
        "/mistral/v1",
        "/batch/jobs",
        "/chat/completions",
        "/batch/jobs/",
        "/content",
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def cases() -> dict[str, Case]:
    """All of them by name, for tests about some of them."""
    return CASES


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where manifests go."""
    home = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries of an upload or an order."""
    monkeypatch.setattr("deluge_sync.client.batch_maker._LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def connect() -> Iterator[Callable[..., LLMClient]]:
    """Makes clients and closes them."""
    with ExitStack() as stack:
        yield lambda case, provider, **settings: stack.enter_context(case.connect(provider, **settings))

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.client import LLMClient
from deluge_sync.models import get_model
from deluge_sync.prompt import Conversation


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")


def test_it_tells_what_the_client_tells(cli: Any, ten: Path) -> None:
    ended = cli("estimate", ten, "--max-tokens", "100", "--system", "Be brief.", "--limit", "7", "--json")
    prompts = [Conversation.system("Be brief.").user(f"prompt {n}") for n in range(7)]
    expected = LLMClient("gpt-4.1-mini", max_new_tokens=100).estimate_sync(prompts)
    document = json.loads(ended.out)
    assert (ended.status, ended.err, document["prompts"]) == (0, "", 7)
    [model] = document["models"]
    assert model["input_tokens"] == expected.models[0].input_tokens
    assert model["max_output_tokens"] == 700
    price = get_model("gpt-4.1-mini").output_cost
    assert price is not None
    assert document["high_usd"] - document["low_usd"] == pytest.approx(700 * price / 1e6)


def test_people_get_a_table_and_how_long_the_limits_make_it(cli: Any, ten: Path) -> None:
    ended = cli("estimate", ten, "-m", "gpt-4.1-mini", "-m", "gpt-4.1", "--tpm", "1000", "--max-tokens", "1000")
    lines = ended.out.splitlines()
    assert lines[0].split("  ")[0] == "MODEL"
    assert [line.split()[0] for line in lines[1:3]] == ["gpt-4.1-mini", "gpt-4.1"]
    assert lines[-1].startswith("10 prompts; $0.0000 to $0.08")
    assert lines[-1].endswith(" whichever model answers; up to 10 min at the limits (--rpm, --tpm)")


def test_an_unknown_price_is_said_to_be_unknown(cli: Any, ten: Path) -> None:
    ended = cli("estimate", ten, "-m", "my-own", "--base-url", "http://127.0.0.1:9/v1")
    assert ended.status == 0
    assert ended.out.splitlines()[-1] == "10 prompts; cost unknown"


def test_bad_lines_and_models_are_told(cli: Any, tmp_path: Path, ten: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n{}\n')
    assert cli("estimate", "p.jsonl").err == "error: p.jsonl:2: no 'prompt' and no 'messages'\n"
    assert json.loads(cli("estimate", "p.jsonl", "--skip-bad-lines", "--json").out)["prompts"] == 1
    assert cli("estimate", ten, "-m", "nope").status == 2

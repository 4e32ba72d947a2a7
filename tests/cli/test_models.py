from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deluge_sync.cli.models import abilities
from deluge_sync.models import find_models, get_model, registry


def listed(ended: Any) -> list[str]:
    return [line.split()[0] for line in ended.out.splitlines()[1:]]


def test_a_model_is_a_line_of_aligned_columns(cli: Any) -> None:
    ended = cli("models", "gpt-4.1-mini-2025-04-14")
    header, line = ended.out.splitlines()
    assert ended.status == 0
    assert header.split() == ["MODEL", "PROVIDER", "CONTEXT", "INPUT", "OUTPUT", "CACHED", "CAN"]
    model = get_model("gpt-4.1-mini-2025-04-14")
    assert model.input_cost is not None
    assert line.split()[:2] == [model.id, model.provider]
    assert line.split()[3] == f"{model.input_cost:.2f}"
    assert line.split()[6:] == abilities(model)
    assert header.index("INPUT") + len("INPUT") == line.index(line.split()[3]) + len(line.split()[3])
    assert "\x1b" not in ended.out
    assert ended.err == "1 models; prices in US dollars per million tokens\n"


def test_every_word_and_every_option_narrows_the_list(cli: Any) -> None:
    chat = find_models()
    assert listed(cli("models")) == [m.id for m in sorted(chat, key=lambda model: (model.provider, model.id))]
    assert set(listed(cli("models", "CLAUDE", "opus"))) == {
        m.id for m in chat if "claude" in f"{m.id} {m.name} {m.maker}".lower() and "opus" in f"{m.id} {m.name}".lower()
    }
    found = cli("models", "--provider", "OpenAI", "--supports", "schema", "--supports", "images", "--max-price", "2")
    assert set(listed(found)) == {
        m.id
        for m in chat
        if m.provider == "openai" and m.supports_schema and m.supports_images
        if m.input_cost is not None and m.output_cost is not None and max(m.input_cost, m.output_cost) <= 2
    }
    assert all(
        (registry[name].context_tokens or 0) >= 10**6 for name in listed(cli("models", "--min-context", "1000000"))
    )


def test_models_of_another_use_and_another_order(cli: Any) -> None:
    assert {registry[name].mode for name in listed(cli("models", "--mode", "embedding"))} == {"embedding"}
    assert {registry[name].mode for name in listed(cli("models", "--mode", "any"))} == {"chat", "embedding", "rerank"}
    assert listed(cli("models", "--sort", "price")) == [model.id for model in find_models()]
    contexts = [registry[name].context_tokens or 0 for name in listed(cli("models", "--sort", "context"))]
    assert contexts == sorted(contexts, reverse=True)


def test_json_has_every_field(cli: Any) -> None:
    ended = cli("models", "gpt-4.1-mini-2025", "--json")
    [document] = json.loads(ended.out)
    assert (document["id"], document["input_cost"]) == ("gpt-4.1-mini-2025-04-14", 0.4)
    assert ended.err == ""


def test_nothing_that_fits_is_a_status_and_an_empty_list(cli: Any) -> None:
    ended = cli("models", "no-such-model")
    assert (ended.status, ended.out, ended.err) == (1, "", "no model fits\n")
    ended = cli("models", "no-such-model", "--json", "--quiet")
    assert (ended.status, ended.out, ended.err) == (1, "[]\n", "")


def test_an_unknown_provider_is_told_with_those_that_are_known(cli: Any) -> None:
    ended = cli("models", "--provider", "opnai")
    assert ended.status == 2
    assert ended.err.startswith("error: --provider 'opnai': known are anthropic, ")


@pytest.mark.parametrize(
    ("columns", "can"), [(80, "tsif·jla"), (200, "tools schema images files json logprobs responses")]
)
def test_a_terminal_gets_a_table_that_fits_it(
    cli: Any, monkeypatch: pytest.MonkeyPatch, columns: int, can: str
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = cli("models", "gpt-4.1-mini-2025")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", ended.out)
    assert can in shown
    assert all(len(line) <= columns for line in shown.splitlines())
    assert ("t tools, s schema" in shown) == (columns == 80)


def test_a_closed_pipe_ends_it_quietly(spawn: Any) -> None:
    process = spawn("models", "--mode", "any", "--json")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")

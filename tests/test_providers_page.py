"""`docs/providers.md` names for each provider the variables that the catalogue has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from deluge_sync._adapters.reasoning import budget_of
from deluge_sync.config import ReasoningEffort, SamplingParams
from deluge_sync.models.catalogue import load
from deluge_sync.prompt.dialects.anthropic_cache import CACHE_PATTERNS

PAGE: Final = (Path(__file__).parent.parent / "docs" / "providers.md").read_text("utf-8")


def named(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", cell)


def test_each_provider_has_its_variables_and_no_other_is_there() -> None:
    [table] = re.findall(r"<!-- keys -->\n(.*?)\n<!-- end of keys -->", PAGE, re.DOTALL)
    rows = [[named(cell) for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]

    prefixes = load().prefixes
    known = {
        name: (
            list(fields.get("key_env_vars") or filter(None, [fields.get("api_key_env_var")])),
            fields.get("base_url_env_var"),
        )
        for name, fields in prefixes.items()
    }
    assert {provider: (keys, next(iter(urls), None)) for [provider], keys, urls in rows} == known


def test_the_efforts_have_the_budgets_that_they_are_taken_for() -> None:
    head, numbers = re.findall(r"^\| (?:effort|budget in tokens) \| (.*) \|$", PAGE, re.MULTILINE)
    said = {
        effort: int(number.replace(",", ""))
        for effort, number in zip(head.split(" | "), numbers.split(" | "), strict=True)
    }

    assert said == {effort: budget_of(SamplingParams(reasoning_effort=effort)) for effort in get_args(ReasoningEffort)}


def test_every_pattern_of_prompt_caching_is_named() -> None:
    plain = {pattern for pattern in CACHE_PATTERNS if ":" not in pattern}

    assert plain <= set(named(PAGE))

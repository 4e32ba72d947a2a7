"""The README's table of what works where, checked against the tables that the contract suite runs over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE: Final = Path(__file__).parent
README: Final = HERE.parent.parent / "README.md"
BEGIN, END = "<!-- features -->\n", "<!-- end of features -->"

COLUMNS: Final = {
    "openai_chat": "OpenAI chat",
    "openai_responses": "OpenAI Responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "mistral": "Mistral",
    "bedrock": "Bedrock",
}
# What the user sees -> where the suite proves it: the kind of row and its names, all of which must be there.
FEATURES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "several system messages": ("requests", ("systems",)),
    "images, as data": ("requests", ("image",)),
    "images, by URL": ("requests", ("image_url",)),
    "PDF": ("requests", ("pdf",)),
    "tools, parallel calls": ("replies", ("tool_calls",)),
    "tool results with images": ("requests", ("tool_result_image",)),
    "JSON mode": ("requests", ("json_mode",)),
    "JSON schema": ("requests", ("schema_class",)),
    "log-probabilities": ("replies", ("logprobs",)),
    "reasoning effort or budget": ("requests", ("reasoning_effort", "thinking_budget")),
    "thinking in the reply": ("replies", ("thinking",)),
    "cached tokens": ("replies", ("cached_usage",)),
    "refusals told": ("replies", ("refusal",)),
    "stop sequences": ("requests", ("seed_and_stop",)),
    "service tier": ("requests", ("service_tier",)),
    "extra headers and body": ("requests", ("extra_body",)),
    "streaming": ("streams", ("text",)),
    "streamed tool calls": ("streams", ("tool_calls",)),
    "streamed thinking": ("streams", ("thinking",)),
}
# Calls that say no more than the plainest one where the format has no word for them: the setting is left out.
_PLAIN: Final = "stream"


def table() -> str:
    """The Markdown table as it has to be."""
    tables = {name: json.loads((HERE / "cases" / f"{name}.json").read_text("utf-8")) for name in COLUMNS}
    rows = [["", *COLUMNS.values()], ["---", *["---"] * len(COLUMNS)]]
    rows += [[feature, *(cell(tables[name], feature) for name in COLUMNS)] for feature in FEATURES]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def cell(case: Mapping[str, Any], feature: str) -> str:
    kind, names = FEATURES[feature]
    lacking = {**case.get("cannot", {}), **case.get("refuses", {})}
    return "yes" if all(name not in lacking and says_it(case, kind, name) for name in names) else "no"


def says_it(case: Mapping[str, Any], kind: str, name: str) -> bool:
    """Whether the row shows the feature, and not merely that it was left out."""
    row = case[kind][name]
    if kind == "requests":
        return bool(row != plain(case))
    expected = row["expect"]
    return name != "logprobs" or bool(expected.get("logprobs"))


def plain(case: Mapping[str, Any]) -> Any:
    """The request of a call that asks for nothing special."""
    return {name: value for name, value in case["requests"][_PLAIN].items() if name not in ("stream", "stream_options")}


def test_the_readme_says_what_the_contract_suite_proves() -> None:
    text = README.read_text("utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table().strip()

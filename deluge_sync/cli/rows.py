"""One line of RESULTS out of a prompt and its response: which keys, in which order. Pure; `session` calls it.

    index, id, <carried fields>, completion, finish_reason, model, usage, cost, error, attempts, latency,
    finished_at, run

and where the answer has them: `parsed` (the document, with a schema), `thinking`, `tool_calls`, `logprobs`, and
`content` with every part of the message when there is more in it than one text and those. `is_cached` is there, and
true, when the answer came from the local cache. `session` is on the first answer of each session and tells when it
began, where the prompts were and which limits held: what a report of the run needs. A carried field that bears one of
these names becomes `input_<name>`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deluge_sync.prompt import Text, Thinking, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from deluge_sync.cli.prompts import Prompt
    from deluge_sync.cli.schema import Schema
    from deluge_sync.response import APIResponse

__all__ = ["OWN_KEYS", "answer_fields", "encode_row", "make_row", "timestamp"]

OWN_KEYS = frozenset(
    {"index", "id", "completion", "finish_reason", "model", "usage", "cost", "error", "attempts", "latency", "run"}
    | {"parsed", "thinking", "tool_calls", "logprobs", "content", "is_cached", "finished_at", "session"}
)


def make_row(
    prompt: Prompt, response: APIResponse, run: str, *, finished_at: datetime, schema: Schema | None = None
) -> dict[str, Any]:
    """What RESULTS says about one prompt. `cost` is in US dollars, `latency` in seconds, unknown values are None.

    An answer that does not fit the schema is an error of the kind "schema", and its `completion` is there to read.
    """
    return {
        "index": prompt.index,
        "id": prompt.id,
        **_carried(prompt.carried),
        **answer_fields(response, schema),
        "finished_at": timestamp(finished_at),
        **_extras(response),
        "run": run,
    }


def answer_fields(response: APIResponse, schema: Schema | None = None) -> dict[str, Any]:
    """The fields of a row that every answer has, wherever its prompt is from; `parsed` where there is a schema."""
    problem = None if schema is None or response.is_error else schema.problem_with(response.parsed)
    fields = {
        "completion": response.completion,
        "finish_reason": response.finish_reason,
        "model": response.model_internal,
        "usage": asdict(response.usage) if response.usage is not None else None,
        "cost": response.cost,
        "error": _error(response) if problem is None else {"kind": "schema", "message": problem},
        "attempts": response.attempts,
        "latency": None if response.latency_s is None else round(response.latency_s, 3),
    }
    return fields if schema is None else {**fields, "parsed": None if problem else response.parsed}


def timestamp(moment: datetime) -> str:
    """ISO 8601 with milliseconds; `moment` is in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_row(row: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 with its line end. Text that UTF-8 cannot hold is escaped: an answer is never lost for that."""
    try:
        return json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row).encode("ascii") + b"\n"


def _carried(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if name not in OWN_KEYS}
    for name, value in fields.items():
        if name in OWN_KEYS:
            kept[_free_name(f"input_{name}", fields)] = value
    return kept


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    return _free_name(f"input_{name}", taken) if name in taken else name


def _error(response: APIResponse) -> dict[str, Any] | None:
    if not response.is_error:
        return None
    return {"kind": response.error_kind or "unknown", "message": response.error_message}


def _extras(response: APIResponse) -> dict[str, Any]:
    extras = {
        "thinking": response.thinking or (response.content and response.content.thinking),
        "tool_calls": [_tool_call(call) for call in response.tool_calls] or None,
        "logprobs": response.logprobs,
        "content": _whole_content(response),
        "is_cached": response.local_cache_hit or None,
    }
    return {name: value for name, value in extras.items() if value is not None}


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "name": call.name, "arguments": dict(call.arguments)}


def _whole_content(response: APIResponse) -> Any:
    """The message as stored by `to_dict`, where completion, thinking and tool calls do not tell all of it."""
    if response.content is None:
        return None
    parts = response.content.parts
    texts = sum(isinstance(part, Text) for part in parts)
    return None if texts <= 1 and all(map(_is_told, parts)) else response.to_dict()["content"]


def _is_told(part: object) -> bool:
    match part:
        case Text(extra=None) | Thinking(origin=None) | ToolCall(raw_arguments=None):
            return True
        case _:
            return False

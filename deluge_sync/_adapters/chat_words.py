"""What OpenAI's chat completions and Mistral's say in the same words: tools, the form of the answer, broken answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deluge_sync._adapters.classify import error_in_document
from deluge_sync._adapters.json_schema import allows_strict, strict_parameters
from deluge_sync._adapters.writing import wanted_schema, warn_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._adapters.call import Call
    from deluge_sync.tool import Tool

__all__ = ["function_tool", "response_format", "tells_error"]


def response_format(call: Call) -> dict[str, Any] | None:
    """The form the answer shall have: a JSON schema, any JSON object, or None where nothing is asked for.

    Raises:
        ConfigError: the model cannot hold its answers to a schema.
    """
    wanted = wanted_schema(call)
    if wanted is not None:
        name, schema = wanted
        definition = {"name": name, "schema": schema, "strict": allows_strict(schema)}
        return {"type": "json_schema", "json_schema": definition}
    if call.params.json_mode and not call.model.supports_json:
        warn_once(call.model.id, ["json_mode"])
        return None
    return {"type": "json_object"} if call.params.json_mode else None


def function_tool(tool: Tool, *, strict: bool) -> Mapping[str, Any]:
    """A tool of ours. `strict` holds the arguments to its schema, where there is a form of it that strict mode takes.

    To be kept by the adapters, because thousands of prompts come with the same tools.
    """
    schema = strict_parameters(tool) if strict else None
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters if schema is None else schema}
    if tool.description is not None:
        function["description"] = tool.description
    if strict:
        function["strict"] = schema is not None
    return {"type": "function", "function": function}


def tells_error(completion: Any, choice: Any) -> bool:
    """Whether the provider failed on the way, which some tell in a field beside the answer. Both are typed replies."""
    if choice.finish_reason == "error":
        return True
    if not completion.model_extra and not choice.model_extra:  # as it is nearly always
        return bool(completion.object == "error")
    beside = {**(completion.model_extra or {}), "object": completion.object, "choices": [choice.model_extra]}
    return error_in_document(beside)

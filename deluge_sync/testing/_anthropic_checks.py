"""Whether a message request is one that Anthropic would take; if not, the 400 it would give.

Fields and types are the business of the generated request model, here are the rules that a schema does not say. What
the request asks of tools that the provider runs itself (web search and the like) is not looked at.
Sources: the official package `anthropic` 2.12, `types.MessageCreateParams`, and the API's error messages.
"""

from __future__ import annotations

import json
import re
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.anthropic import CountRequest, MessageRequest
from deluge_sync.testing._anthropic_common import LATER, MCP_BETA, check_version, has_files, refuse
from deluge_sync.testing._anthropic_schema import schema_problem
from deluge_sync.testing._openai_checks import checked_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import BaseModel

    from deluge_sync.testing._format import Call

__all__ = ["checked_count_request", "checked_message_request"]

Request = dict[str, Any]
Block = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_MOST_MARKS = 4
_MOST_STRICT_TOOLS = 20
_LEAST_BUDGET = 1_024
_SAMPLING = ("temperature", "top_p", "top_k")
# Blocks that the provider's own tools leave in a conversation, beside those that the request model knows.
_SERVER_BLOCK = re.compile(r"\w+_tool_result|container_upload|server_tool_use|mcp_tool_use|mcp_tool_listing|compaction")
_RANGES: Sequence[tuple[str, float, float]] = (
    ("temperature", 0, 1),
    ("top_p", 0, 1),
    ("top_k", 0, float("inf")),
    ("max_tokens", 0, float("inf")),
)


def checked_message_request(call: Call) -> Request:
    """The request as parsed JSON. Raises `Refused` with status 400, or 404 for a file that is not there."""
    return _checked(call, MessageRequest)


def checked_count_request(call: Call) -> Request:
    """The same for a request to count tokens."""
    return _checked(call, CountRequest)


def _checked(call: Call, model: type[BaseModel]) -> Request:
    version = check_version(call)
    request = _parsed(call.incoming.body)
    if version == LATER:
        unknown = next((name for name in _SAMPLING if name in request), None)
        if unknown is not None:
            refuse(f"{unknown}: Extra inputs are not permitted")
    checked_fields(json.dumps(_own_part(request)).encode(), model, ignore_unknown=call.ignore_unknown)
    for problem in chain.from_iterable(check(request) for check in _CHECKS):
        refuse(problem)
    _check_files(call, request)
    _check_servers_beta(call, request)
    return request


def _parsed(body: bytes) -> Request:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        refuse("the request body is not valid JSON")
    # What is `output_config.format` was a field of its own while it was a beta.
    form = request.pop("output_format", None)
    return (
        request if form is None else {**request, "output_config": {**request.get("output_config", {}), "format": form}}
    )


def _own_part(request: Request) -> Request:
    """The request without tools and blocks of the provider's own, which no model of ours describes."""
    own = dict(request)
    if isinstance(request.get("tools"), list):
        own["tools"] = [tool for tool in request["tools"] if not _is_server_tool(tool)]
    if isinstance(request.get("messages"), list):
        own["messages"] = [_own_message(message) for message in request["messages"]]
    return own


def _own_message(message: Any) -> Any:
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return message
    return {**message, "content": [block for block in message["content"] if not _is_server_block(block)]}


def _is_server_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and re.search(r"_\d{8}$", str(tool.get("type"))) is not None


def _is_server_block(block: Any) -> bool:
    return isinstance(block, dict) and _SERVER_BLOCK.fullmatch(str(block.get("type"))) is not None


def _blocks(content: str | list[Block]) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


# --- the rules


def _ranges(request: Request) -> Iterator[str]:
    for name, low, high in _RANGES:
        value = request.get(name)
        if value is not None and not low <= value <= high:
            yield f"{name}: must be between {low} and {high}, not {value}"


def _sampling_is_one(request: Request) -> Iterator[str]:
    if request.get("temperature") is not None and request.get("top_p") is not None:
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def _something_to_say(request: Request) -> Iterator[str]:
    if not request["messages"]:
        yield "messages: at least one message is required"
    last = len(request["messages"]) - 1
    for index, message in enumerate(request["messages"]):
        if not message["content"] and not (index == last and message["role"] == "assistant"):
            yield f"messages.{index}: all messages must have non-empty content except for a final assistant message"
        for place, block in enumerate(_blocks(message["content"])):
            yield from _text_problems(f"messages.{index}.content.{place}", block)
    for place, block in enumerate(_blocks(request.get("system") or [])):
        yield from _text_problems(f"system.{place}", block)


def _text_problems(where: str, block: Block) -> Iterator[str]:
    if block["type"] == "text" and not block["text"].strip():
        yield f"{where}: text content blocks must be non-empty and contain non-whitespace text"
    if block["type"] == "tool_result" and isinstance(block.get("content"), list):
        for place, inner in enumerate(block["content"]):
            yield from _text_problems(f"{where}.content.{place}", inner)


def _answer_to_go_on_with(request: Request) -> Iterator[str]:
    last = request["messages"][-1]
    blocks = _blocks(last["content"])
    if last["role"] == "assistant" and blocks and str(blocks[-1].get("text", "")).endswith((" ", "\n", "\t")):
        yield "messages: final assistant content cannot end with trailing whitespace"


def _results_answer_calls(request: Request) -> Iterator[str]:
    """Every call is answered in the next message, first of all in it, and nothing else is."""
    turns = _turns(request)
    for (role, blocks), (_, following) in pairwise([*turns, ("user", [])]):
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        results = [block["tool_use_id"] for block in following[: len(calls)] if block["type"] == "tool_result"]
        missing = [call_id for call_id in calls if call_id not in results]
        if missing:
            yield (
                f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {missing[0]}. "
                "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )
    for (role, blocks), (_, results_of) in pairwise([("user", []), *turns]):
        known = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        for block in results_of:
            if block["type"] == "tool_result" and block["tool_use_id"] not in known:
                yield f"messages: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}"


def _turns(request: Request) -> list[tuple[str, list[Block]]]:
    """Messages of one role in a row are one turn to the provider."""
    turns: list[tuple[str, list[Block]]] = []
    for message in request["messages"]:
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(_blocks(message["content"]))
        else:
            turns.append((message["role"], list(_blocks(message["content"]))))
    return turns


def _ids_are_sound(request: Request) -> Iterator[str]:
    seen: set[str] = set()
    for _, blocks in _turns(request):
        for call_id in (block["id"] for block in blocks if block["type"] == "tool_use"):
            if not _ID.fullmatch(call_id):
                yield f"messages: tool_use id {call_id!r}: String should match pattern '^[a-zA-Z0-9_-]+$'"
            if call_id in seen:
                yield "messages: `tool_use` ids must be unique"
            seen.add(call_id)


def _tools_are_sound(request: Request) -> Iterator[str]:
    tools = request.get("tools") or []
    names = [str(tool.get("name")) for tool in tools if not _is_toolset(tool)]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    if sum(bool(tool.get("strict")) for tool in tools) > _MOST_STRICT_TOOLS:
        yield f"tools: at most {_MOST_STRICT_TOOLS} tools may be strict"
    for index, tool in enumerate(tools):
        if not _is_server_tool(tool) and not _is_toolset(tool):
            yield from _tool_problems(f"tools.{index}.custom", tool)


def _tool_problems(where: str, tool: Block) -> Iterator[str]:
    if not _NAME.fullmatch(tool["name"]):
        yield f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    if tool["input_schema"].get("type") != "object":
        yield f"{where}.input_schema.type: Field required, and to be 'object'"
    problem = schema_problem(tool["input_schema"]) if tool.get("strict") else None
    if problem:
        yield f"{where}.input_schema: {problem}"


def _is_toolset(tool: Block) -> bool:
    return tool.get("type") == "mcp_toolset"


def _servers_have_toolsets(request: Request) -> Iterator[str]:
    """Source: https://platform.claude.com/docs/en/agents-and-tools/mcp-connector, "Validation rules"."""
    servers = request.get("mcp_servers") or []
    names = [server["name"] for server in servers]
    toolsets = [tool["mcp_server_name"] for tool in request.get("tools") or () if _is_toolset(tool)]
    for index, server in enumerate(servers):
        if not server["url"].startswith("https://"):
            yield f"mcp_servers.{index}.url: URL must start with https://"
        if names.count(server["name"]) > 1:
            yield f"mcp_servers.{index}.name: MCP server names must be unique: {server['name']!r}"
        if toolsets.count(server["name"]) != 1:
            yield f"mcp_servers.{index}: server {server['name']!r} must be referenced by exactly one MCP toolset"
    for name in toolsets:
        if name not in names:
            yield f"tools: MCP toolset references {name!r}, which is not among `mcp_servers`"


def _choice_fits(request: Request) -> Iterator[str]:
    choice = request.get("tool_choice")
    if choice is None:
        return
    if not request.get("tools"):
        yield "tool_choice: may only be specified while providing `tools`"
    if choice["type"] == "tool" and choice["name"] not in [tool.get("name") for tool in request.get("tools") or ()]:
        yield f"tool_choice: tool {choice['name']!r} not found in provided tools"
    if choice["type"] in ("any", "tool") and _thinks(request):
        yield "Thinking may not be enabled when tool_choice forces tool use."


def _thinks(request: Request) -> bool:
    return (request.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _thinking_fits(request: Request) -> Iterator[str]:
    budget = (request.get("thinking") or {}).get("budget_tokens")
    if budget is not None and budget < _LEAST_BUDGET:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}"
    if budget is not None and budget >= request.get("max_tokens", budget + 1):
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if not _thinks(request):
        return
    if request.get("temperature", 1) != 1:
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if request.get("top_k") is not None or request.get("top_p", 1) < 0.95:
        yield "`top_k` must be unset and `top_p` at least 0.95 when thinking is enabled."
    yield from _thought_comes_first(request)


def _thought_comes_first(request: Request) -> Iterator[str]:
    """A call that is under way goes on from the thought that led to it."""
    turns = _turns(request)
    if len(turns) > 1 and turns[-1][1] and turns[-1][1][0]["type"] == "tool_result":
        first = turns[-2][1][0]["type"]
        if request["thinking"]["type"] == "enabled" and first not in ("thinking", "redacted_thinking"):
            yield (
                f"messages: Expected `thinking` or `redacted_thinking`, but found `{first}`. When `thinking` is "
                "enabled, a final assistant message must start with a thinking block."
            )


def _schema_is_sound(request: Request) -> Iterator[str]:
    form = (request.get("output_config") or {}).get("format")
    problem = schema_problem(form["schema"]) if form else None
    if problem:
        yield f"output_config.format.schema: {problem}"


def _marks_are_few(request: Request) -> Iterator[str]:
    lives = [mark.get("ttl", "5m") for holder in _holders(request) if (mark := holder.get("cache_control"))]
    if len(lives) > _MOST_MARKS:
        yield f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {len(lives)}."
    if "5m" in lives and "1h" in lives[lives.index("5m") :]:
        yield "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"


def _holders(request: Request) -> Iterator[Block]:
    yield from request.get("tools") or ()
    yield from _blocks(request.get("system") or [])
    for message in request["messages"]:
        for block in _blocks(message["content"]):
            if isinstance(block.get("content"), list):
                yield from (inner for inner in block["content"] if isinstance(inner, dict))
            yield block
    yield request


def _check_files(call: Call, request: Request) -> None:
    for holder in _holders(request):
        source = holder.get("source")
        if isinstance(source, dict) and source.get("type") == "file":
            if not has_files(call):
                refuse("messages: a source of type 'file' needs the beta header files-api-2025-04-14")
            if call.store.shelf("anthropic_files").get(source["file_id"]) is None:
                refuse(f"File not found: {source['file_id']}", 404)


def _check_servers_beta(call: Call, request: Request) -> None:
    betas = [beta.strip() for beta in call.incoming.headers.get("anthropic-beta", "").split(",")]
    if request.get("mcp_servers") and MCP_BETA not in betas:
        refuse("mcp_servers: Extra inputs are not permitted")


_CHECKS: Sequence[Callable[[Request], Iterator[str]]] = (
    _ranges,
    _sampling_is_one,
    _something_to_say,
    _answer_to_go_on_with,
    _results_answer_calls,
    _ids_are_sound,
    _tools_are_sound,
    _servers_have_toolsets,
    _choice_fits,
    _thinking_fits,
    _schema_is_sound,
    _marks_are_few,
)

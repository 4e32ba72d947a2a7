"""Whether a chat completion request is one that Mistral would take; if not, the 400 or 422 it would give.

Fields and types are the business of the generated request model; here are the rules that a schema does not say: those
of the OpenAPI document's bounds (422) and those of the order of messages, which mistral-common publishes (400).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from deluge_sync.sdk.mistral import ChatCompletionRequest
from deluge_sync.testing._mistral_common import checked_fields, refuse, refuse_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["checked_chat_request"]

Request = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9]{9}")
_FOLLOWERS: Mapping[str, tuple[str, ...]] = {
    "system": ("user", "assistant", "system"),
    "user": ("assistant", "system", "user"),
    "assistant": ("assistant", "user", "tool"),
    "tool": ("assistant", "tool"),
}
_BOUNDS: Sequence[tuple[str, float, float]] = (
    ("temperature", 0, 1.5),
    ("top_p", 0, 1),
    ("presence_penalty", -2, 2),
    ("frequency_penalty", -2, 2),
    ("max_tokens", 0, float("inf")),
    ("random_seed", 0, float("inf")),
    ("n", 1, float("inf")),
    ("top_logprobs", 0, 20),
)


def checked_chat_request(body: bytes, *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON. `ignore_unknown` lets fields pass that Mistral does not have.

    Raises:
        Refused: with status 422 for a field, 400 for what the fields say together.
    """
    request = checked_fields(body, ChatCompletionRequest, ignore_unknown=ignore_unknown)
    for check in _CHECKS:
        check(request)
    return request


def _values_are_within_bounds(request: Request) -> None:
    for name, low, high in _BOUNDS:
        value = request.get(name)
        if value is not None and value < low:
            refuse_field(f"body.{name}", "greater_than_equal", f"Input should be greater than or equal to {low}")
        if value is not None and value > high:
            refuse_field(f"body.{name}", "less_than_equal", f"Input should be less than or equal to {high}")
    if request.get("top_p") == 0:
        refuse_field("body.top_p", "greater_than", "Input should be greater than 0")


def _greedy_sampling_is_alone(request: Request) -> None:
    if request.get("temperature") == 0 and request.get("top_p") not in (None, 1):
        refuse("top_p must be 1 when using greedy sampling.", type="invalid_request_top_p")


def _messages_are_in_order(request: Request) -> None:
    roles = [message["role"] for message in request["messages"]]
    if not roles:
        _refuse_order("Conversation must have at least one message")
    for before, role in pairwise(roles):
        if role not in _FOLLOWERS[before]:
            _refuse_order(f"Unexpected role '{role}' after role '{before}'")
    last = request["messages"][-1]
    if last["role"] not in ("user", "tool") and not (last["role"] == "assistant" and last.get("prefix")):
        _refuse_order(
            "Expected last role User or Tool (or Assistant with prefix True) for serving but got " + last["role"]
        )


def _answers_say_something(request: Request) -> None:
    for message in request["messages"]:
        if message["role"] == "assistant" and not (message.get("content") or message.get("tool_calls")):
            refuse(
                "Assistant message must have either content or tool_calls, but not none.",
                type="invalid_request_assistant_message",
                code="3240",
            )


def _ids_have_their_form(request: Request) -> None:
    for message in request["messages"]:
        named = [call["id"] for call in message.get("tool_calls") or ()]
        for call_id in named if message["role"] != "tool" else [message["tool_call_id"]]:
            if not _ID.fullmatch(call_id):
                problem = f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9."
                refuse(problem, type="invalid_function_call", code="3280")


def _results_answer_calls(request: Request) -> None:
    """After an answer with tool calls come just their results, and nowhere else."""
    called: list[str] = []
    answered: list[str] = []
    for message in [*request["messages"], {"role": "end"}]:
        if message["role"] == "tool":
            answered.append(message["tool_call_id"])
            continue
        _check_results(called, answered)
        called, answered = [call["id"] for call in message.get("tool_calls") or ()], []


def _check_results(called: Sequence[str], answered: Sequence[str]) -> None:
    if len(answered) != len(called):
        _refuse_order("Not the same number of function calls and responses")
    if unexpected := set(answered) - set(called):
        _refuse_order(f"Unexpected tool call id {min(unexpected)} in tool results")


def _refuse_order(message: str) -> None:
    refuse(message, type="invalid_request_message_order", code="3230")


def _functions_have_names(request: Request) -> None:
    for tool in request.get("tools") or ():
        name = tool["function"]["name"]
        if not _NAME.fullmatch(name):
            problem = f"Function name was {name} but must be a-z, A-Z, 0-9, or contain underscores and dashes, "
            refuse(f"{problem}with a maximum length of 64.", type="invalid_function_definition", code="3270")


def _form_is_whole(request: Request) -> None:
    form = request.get("response_format") or {}
    if (form.get("type") == "json_schema") != (form.get("json_schema") is not None):
        refuse_field("body.response_format", "value_error", "Value error, json_schema and its type need each other")


_CHECKS: Sequence[Callable[[Request], None]] = (
    _values_are_within_bounds,
    _greedy_sampling_is_alone,
    _answers_say_something,
    _messages_are_in_order,
    _ids_have_their_form,
    _results_answer_calls,
    _functions_have_names,
    _form_is_whole,
)

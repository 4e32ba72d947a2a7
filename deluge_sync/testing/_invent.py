"""What the model says when no script says it: made from the request, always the same for the same request.

Neutral about wire formats. A format turns its request into a `Question` and writes the `Speech` down in its own way.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from deluge_sync.testing._reply import Answer, ScriptedCall
from deluge_sync.testing._schema import fitting_document
from deluge_sync.testing._tokens import count_tokens, cut_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OfferedTool", "Question", "Speech", "speak"]


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool of the request. `parameters` is the JSON Schema of its arguments."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks for. `user_text` is the last user message, `tool_result` the result given since, if any."""

    user_text: str
    tool_result: str | None = None
    tools: tuple[OfferedTool, ...] = ()
    must_call: bool = False
    schema: Mapping[str, Any] | None = None
    wants_json: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Speech:
    """One choice of the model. `end` says why it stopped, in neutral words; a script may put any word there."""

    text: str | None
    tool_calls: tuple[ScriptedCall, ...] = ()
    refusal: str | None = None
    end: Literal["stop", "length", "tool_calls"] | str = "stop"

    @property
    def tokens(self) -> int:
        """Tokens of everything said."""
        spoken = [self.text or "", self.refusal or ""]
        spoken += [part for call in self.tool_calls for part in (call.name, call.arguments)]
        return sum(map(count_tokens, spoken))


def speak(question: Question, script: Answer, *, choice: int = 0) -> Speech:
    """What the model says as its choice number `choice`, as far as possible what `script` says."""
    if script.refusal is not None:
        return Speech(None, refusal=script.refusal, end=script.finish_reason or "stop")
    calls = script.tool_calls if script.tool_calls is not None else _calls(question, script)
    if calls:
        return Speech(script.text, calls, end=script.finish_reason or "tool_calls")
    text = script.text if script.text is not None else _text(question, choice)
    text, was_cut = cut_tokens(_stopped(text, question.stop), question.max_tokens)
    return Speech(text, end=script.finish_reason or ("length" if was_cut else "stop"))


def _calls(question: Question, script: Answer) -> tuple[ScriptedCall, ...]:
    is_due = question.must_call or question.tool_result is None
    if script.text is not None or not question.tools or not is_due:
        return ()
    tool = question.tools[0]
    return (ScriptedCall(tool.name, json.dumps(fitting_document(tool.parameters))),)


def _text(question: Question, choice: int) -> str:
    if question.schema is not None:
        return json.dumps(fitting_document(question.schema))
    said = f"You said: {question.user_text}" if question.tool_result is None else f"Found: {question.tool_result}"
    if choice:
        said = f"{said} ({choice + 1})"
    return json.dumps({"answer": said}) if question.wants_json else said


def _stopped(text: str, stop: tuple[str, ...]) -> str:
    """`text` up to the first of the stop sequences."""
    ends = [text.find(sequence) for sequence in stop if sequence and sequence in text]
    return text[: min(ends)] if ends else text

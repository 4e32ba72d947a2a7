"""Gemini's content operations: a request understood, and its answer as a document or as a stream of pieces; counting.

Whether a request is acceptable is decided in `_gemini_checks`; what the model says in `_invent`. Asked for thoughts, it
says one first. The first part of an answer that follows on reasoning carries a signature.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from deluge_sync.sdk.gemini import CountTokensRequest
from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._gemini_checks import bad, checked_content_request, checked_fields, content_problems
from deluge_sync.testing._gemini_question import parts_of, prompt_tokens, question_of
from deluge_sync.testing._invent import speak
from deluge_sync.testing._reply import ErrorSpec, Raw
from deluge_sync.testing._tokens import count_tokens, split_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from deluge_sync.testing._format import Call
    from deluge_sync.testing._invent import Speech
    from deluge_sync.testing._reply import ScriptedCall

__all__ = ["count_tokens_of_request", "document", "generate_content", "known_model", "stream_generate_content"]

_JSON = MappingProxyType({"content-type": "application/json; charset=UTF-8"})
_EVENTS = MappingProxyType({"content-type": "text/event-stream"})
_ENDS = MappingProxyType(
    {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"},
)

Parts = list[dict[str, Any]]


def generate_content(call: Call) -> Draft:
    """POST models/{model}:generateContent."""
    return _answered(call, lambda answer: Raw(200, _JSON, _json(answer.whole()).encode()))


def stream_generate_content(call: Call) -> Draft:
    """POST models/{model}:streamGenerateContent. Without `alt=sse` the pieces come as a JSON list."""
    is_sse = parse_qs(call.incoming.target.partition("?")[2]).get("alt") == ["sse"]

    def render(answer: _Answer) -> Raw:
        pieces = [_json(piece) for piece in answer.pieces()]
        if is_sse:
            return Raw(200, _EVENTS, tuple(f"data: {piece}\r\n\r\n".encode() for piece in pieces))
        return Raw(200, _JSON, f"[{','.join(pieces)}]".encode())

    return _answered(call, render)


def count_tokens_of_request(call: Call) -> Draft:
    """POST models/{model}:countTokens."""
    known_model(call, call.variables["model"])
    request = checked_fields(call.incoming.body, CountTokensRequest, ignore_unknown=call.ignore_unknown)
    if ("contents" in request) == ("generateContentRequest" in request):
        raise Refused(bad("Exactly one of contents and generate_content_request must be set."))
    counted = request.get("generateContentRequest") or request
    for problem in content_problems(counted):
        raise Refused(bad(problem))
    total = prompt_tokens(counted)
    details = [{"modality": "TEXT", "tokenCount": total}]
    return Draft(Raw(200, _JSON, _json({"totalTokens": total, "promptTokensDetails": details}).encode()), total)


def known_model(call: Call, name: str) -> str:
    """The model's name without `models/`. Raises `Refused` with 404 if there is no such model."""
    name = name.removeprefix("models/")
    if call.models is not None and name not in call.models:
        message = f"models/{name} is not found for API version v1beta, or is not supported for generateContent."
        raise Refused(ErrorSpec(404, message))
    return name


def document(body: Mapping[str, Any]) -> Draft:
    """A reply with status 200."""
    return Draft(Raw(200, _JSON, _json(body).encode()))


def _json(value: object) -> str:
    return json.dumps(value)


def _answered(call: Call, render: Callable[[_Answer], Raw]) -> Draft:
    model = known_model(call, call.variables["model"])
    request = checked_content_request(call.incoming.body, ignore_unknown=call.ignore_unknown)
    _refuse_unknown_files(call, request)
    answer = _Answer(call, model, request)
    usage = answer.usage
    spoken = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return Draft(render(answer), usage.get("promptTokenCount", 0), spoken, answer.question.max_tokens)


def _refuse_unknown_files(call: Call, request: Mapping[str, Any]) -> None:
    shelf = call.store.shelf("gemini-files")
    for part in parts_of(request["contents"]):
        uri = part.get("fileData", {}).get("fileUri", "")
        name = uri.rpartition("/files/")[2]
        if uri.startswith("https://generativelanguage.googleapis.com/") and shelf.get(f"files/{name}") is None:
            message = f"You do not have permission to access the File {name} or it may not exist."
            raise Refused(ErrorSpec(403, message))


class _Answer:
    """What the model says to one request, as a document or in pieces."""

    def __init__(self, call: Call, model: str, request: Mapping[str, Any]) -> None:
        self._script, self._sequence = call.answer, call.sequence
        self._frame = {"modelVersion": model, "responseId": f"response-{call.sequence:08d}"}
        self._config = request.get("generationConfig") or {}
        self.question = question_of(request)
        count = 0 if self._script.no_choices else self._config.get("candidateCount") or 1
        self._speeches = [self._speak(index) for index in range(count)]
        self._thought = self._make_up_thought()
        self._tier = request.get("serviceTier")
        self.usage = self._count(request)

    def whole(self) -> dict[str, Any]:
        """The answer at once."""
        candidates = [self._candidate(index, speech) for index, speech in enumerate(self._speeches)]
        return {**({"candidates": candidates} if candidates else {}), "usageMetadata": self.usage, **self._frame}

    def pieces(self) -> Iterator[dict[str, Any]]:
        """The answer token by token; a call comes in one piece, and the reason for the end with the last."""
        begun = {key: value for key, value in self.usage.items() if key.startswith(("prompt", "cached"))}
        begun["totalTokenCount"] = begun.get("promptTokenCount", 0)
        for index, speech in enumerate(self._speeches):
            *first, last = self._piece_parts(speech) or [[]]
            for parts in first:
                yield {"candidates": [self._piece(index, parts)], "usageMetadata": begun, **self._frame}
            end = {"finishReason": _end(speech), **_finish_message(speech)}
            yield {"candidates": [self._piece(index, last) | end], "usageMetadata": self.usage, **self._frame}
        if not self._speeches:
            yield {"usageMetadata": self.usage, **self._frame}

    def _speak(self, index: int) -> Speech:
        speech = speak(self.question, self._script, choice=index)
        is_made_up = self._script.text is None and speech.text is not None
        if self._config.get("responseMimeType") == "text/x.enum" and is_made_up:
            return replace(speech, text=json.loads(speech.text or '""'))  # the value as it is, not as JSON
        return speech

    def _make_up_thought(self) -> str | None:
        wanted = (self._config.get("thinkingConfig") or {}).get("includeThoughts")
        return f"I was told: {self.question.user_text}" if wanted else None

    def _candidate(self, index: int, speech: Speech) -> dict[str, Any]:
        content: dict[str, Any] = {"role": "model"}
        if parts := self._all_parts(speech):
            content["parts"] = parts
        candidate = {"content": content, "finishReason": _end(speech), **_finish_message(speech)}
        logprobs = self._logprobs(split_tokens(speech.text)) if speech.text else {}
        return candidate | ({"index": index} if index else {}) | logprobs

    def _piece(self, index: int, parts: Parts) -> dict[str, Any]:
        content = {"role": "model", **({"parts": parts} if parts else {})}
        logprobs = self._logprobs([part["text"] for part in parts if "text" in part and not part.get("thought")])
        return {"content": content, **({"index": index} if index else {}), **logprobs}

    def _all_parts(self, speech: Speech) -> Parts:
        thoughts: Parts = [{"text": self._thought, "thought": True}] if self._thought is not None else []
        texts: Parts = [{"text": speech.text}] if speech.text else []
        return thoughts + self._signed(texts + self._calls(speech))

    def _piece_parts(self, speech: Speech) -> list[Parts]:
        thoughts: list[Parts] = [[{"text": token, "thought": True}] for token in split_tokens(self._thought or "")]
        texts: list[Parts] = [[{"text": token}] for token in split_tokens(speech.text or "")]
        calls = [[part] for part in self._signed(self._calls(speech))]
        return thoughts + texts + calls

    def _signed(self, parts: Parts) -> Parts:
        """What follows on reasoning carries its signature, of the calls made in parallel the first."""
        reasoned = self._thought is not None or self._script.reasoning_tokens
        calls = [part for part in parts if "functionCall" in part]
        for part in (calls[:1] or parts[-1:]) if reasoned else ():
            part["thoughtSignature"] = base64.b64encode(f"signature {self._sequence}".encode()).decode()
        return parts

    def _calls(self, speech: Speech) -> Parts:
        if _malformed(speech) is not None:
            return []
        return [
            {
                "functionCall": {
                    "id": f"{self._sequence:08d}-{number}",
                    "name": called.name,
                    "args": json.loads(called.arguments),
                }
            }
            for number, called in enumerate(speech.tool_calls)
        ]

    def _count(self, request: Mapping[str, Any]) -> dict[str, Any]:
        script = self._script
        prompt = prompt_tokens(request) if script.prompt_tokens is None else script.prompt_tokens
        thoughts = script.reasoning_tokens + count_tokens(self._thought or "")
        spoken = sum(speech.tokens for speech in self._speeches)
        if script.completion_tokens is not None:
            spoken = max(0, script.completion_tokens - thoughts)
        counts = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": spoken,
            "totalTokenCount": prompt + spoken + thoughts,
            "cachedContentTokenCount": script.cached_tokens,
            "thoughtsTokenCount": thoughts,
        }
        told: dict[str, Any] = {name: count for name, count in counts.items() if count}  # a 0 is not written
        details = [{"modality": "TEXT", "tokenCount": prompt}]
        return {**told, "promptTokensDetails": details, **({"serviceTier": self._tier} if self._tier else {})}

    def _logprobs(self, tokens: Sequence[str]) -> dict[str, Any]:
        if not self._config.get("responseLogprobs") or not tokens:
            return {}
        tops = [_ranked(token, self._config.get("logprobs", 0)) for token in tokens]
        chosen = [_ranked(token, 1)[0] for token in tokens]
        total = sum(entry["logProbability"] for entry in chosen)
        result = {
            "chosenCandidates": chosen,
            "topCandidates": [{"candidates": top} for top in tops],
            "logProbabilitySum": total,
        }
        return {"logprobsResult": result, "avgLogprobs": total / len(tokens)}


def _ranked(token: str, wanted: int) -> list[dict[str, Any]]:
    """The token itself is the likeliest; the made-up alternatives get less likely by one each."""
    likeliest = -(sum(token.encode()) % 100) / 1000
    names = [token, *(f"{token}~{rank}" for rank in range(1, wanted))][:wanted]
    return [
        {"token": name, "tokenId": sum(name.encode()), "logProbability": round(likeliest - rank, 3)}
        for rank, name in enumerate(names)
    ]


def _end(speech: Speech) -> str:
    if speech.refusal is not None:
        return "SAFETY"
    return "MALFORMED_FUNCTION_CALL" if _malformed(speech) is not None else _ENDS.get(speech.end, speech.end)


def _finish_message(speech: Speech) -> dict[str, str]:
    malformed = _malformed(speech)
    if malformed is not None:
        return {"finishMessage": f"Malformed function call: {malformed.name}({malformed.arguments})"}
    return {"finishMessage": speech.refusal} if speech.refusal is not None else {}


def _malformed(speech: Speech) -> ScriptedCall | None:
    """A call whose arguments are no object, which the model can write and this format cannot say."""
    return next((called for called in speech.tool_calls if not _is_object(called.arguments)), None)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False

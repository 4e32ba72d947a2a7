"""Reads Converse's replies, whole ones and those that `bedrock_stream` put together. `bedrock` calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deluge_sync._adapters.call import Call, ModelReply
from deluge_sync._adapters.classify import classify_reply, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.reading import at_least_0, parse_mended
from deluge_sync._http import HttpReply
from deluge_sync.errors import ReplyFormatError
from deluge_sync.prompt import Message, Text
from deluge_sync.prompt.dialects import bedrock as dialect
from deluge_sync.response import Usage
from deluge_sync.sdk import bedrock

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["parse_reply"]

_FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
_BLOCKED: Final[Mapping[str | None, str]] = {
    "guardrail_intervened": "a guardrail stepped in",
    "content_filtered": "the answer was filtered",
    "refusal": "the model refused",
}
_ENDS_BY_ITSELF: Final = ("end_turn", "stop_sequence")


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none."""
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        said = parse_mended(bedrock.converse, reply.body)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    if _is_answer(said):
        return _answer(said, _kept_back(said), reply)
    failure = classify_reply(reply, provider=provider)
    return failure if _usage(said.usage) is None else _answer(said, failure, reply)


def _content(said: bedrock.ConverseReply) -> list[bedrock.ContentBlock] | None:
    message = said.output.message if said.output is not None else None
    return message.content if message is not None else None


def _is_answer(said: bedrock.ConverseReply) -> bool:
    """Whether the model said something, if only that it has nothing to say."""
    content, extra = _content(said), said.model_extra or {}
    tells_error = extra.get("__type") or extra.get("error")
    is_empty = content == [] and (said.stop_reason in _ENDS_BY_ITSELF or said.stop_reason in _BLOCKED)
    return not tells_error and bool(content or is_empty)


def _answer(said: bedrock.ConverseReply, failure: Failure | None, reply: HttpReply) -> ModelReply:
    tier = said.service_tier
    return ModelReply(
        content=_message(said),
        usage=_usage(said.usage),
        finish_reason=_FINISH_REASONS.get(said.stop_reason or "", said.stop_reason),
        model_external=_routed_to(said),
        response_id=reply.headers.get("x-amzn-requestid"),
        service_tier=tier.type if tier is not None else None,
        failure=failure,
        raw=said.model_dump(mode="json", exclude_none=True) if _says_more(said) else None,
    )


def _message(said: bedrock.ConverseReply) -> Message:
    content = _content(said)
    if content == [] and said.stop_reason in _ENDS_BY_ITSELF:
        return Message("assistant", [Text("")])  # an empty answer is an answer
    return dialect.load_answer(block.model_dump(exclude_unset=True, exclude_none=True) for block in content or ())


def _usage(usage: bedrock.Usage | None) -> Usage | None:
    """The provider counts fresh, read and written input apart, as we do."""
    if usage is None or usage.input_tokens is None:
        return None
    written = at_least_0(usage.cache_write_input_tokens)
    kept = sum(at_least_0(part.input_tokens) for part in usage.cache_details or () if part.ttl == "1h")
    return Usage(
        at_least_0(usage.input_tokens),
        at_least_0(usage.output_tokens),
        at_least_0(usage.cache_read_input_tokens),
        written,
        cache_write_1h_tokens=min(kept, written),
    )


def _routed_to(said: bedrock.ConverseReply) -> str | None:
    """The model that a prompt router chose. Else a reply does not name its model."""
    router = said.trace.prompt_router if said.trace is not None else None
    return router.invoked_model_id if router is not None else None


def _kept_back(said: bedrock.ConverseReply) -> Failure | None:
    """An answer that was kept back is told as such: it would otherwise look like one that is empty or breaks off."""
    reason = _BLOCKED.get(said.stop_reason)
    if reason is None:
        return None
    words = _message(said).text
    return Failure(FailureKind.CONTENT_FILTER, plain_line(f"{reason}: {words}" if words.strip() else reason), 200)


def _says_more(said: bedrock.ConverseReply) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    beside = [said.additional_model_response_fields, said.trace, *(said.model_extra or {}).values()]
    return any(value not in (None, [], {}) for value in beside)

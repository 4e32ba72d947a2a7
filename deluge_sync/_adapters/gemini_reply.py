"""Gemini's replies read: the answer, or why there is none. A stream is read here too, once it is put together.

A block is a failure, whatever came before it is kept. So is an answer that went wrong before anything of it came
(MALFORMED_FUNCTION_CALL and the like); one that went wrong later is an answer with that finish_reason.

Source: Google's API document v1beta (2026-11), `GenerateContentResponse`; google-genai 3.4.0 on its counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deluge_sync._adapters.call import Call, ModelReply
from deluge_sync._adapters.classify import classify_reply, error_in_document, plain_line
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.reading import at_least_0, parse_mended
from deluge_sync._http import HttpReply
from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.prompt import Message, Text, Thinking
from deluge_sync.prompt.dialects import gemini as dialect
from deluge_sync.prompt.dialects.gemini_reading import count_calls
from deluge_sync.response import Usage
from deluge_sync.sdk import gemini

__all__ = ["parse_reply"]

# In OpenAI's words; the others are kept as the provider's.
_ENDS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
        ),
        "content_filter",
    ),
}
_OUR_TIERS: Final[Mapping[str, str | None]] = {"standard": "default", "unspecified": None}


def parse_reply(call: Call, reply: HttpReply) -> ModelReply | Failure:
    """The answer in a complete reply, or why there is none."""
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        response = parse_mended(gemini.generate_content, reply.body)
        candidate = response.candidates[0] if response.candidates else None
        content = _message(call, candidate)
    except (ReplyFormatError, ConfigError):  # no reply of this form, or parts that are none
        return classify_reply(reply, provider=provider)
    if candidate is not None and not _tells_error(response):
        return _answer(response, candidate, content, _flaw(candidate, content))
    failure = classify_reply(reply, provider=provider)
    return failure if _usage(response.usage_metadata) is None else _answer(response, candidate, content, failure)


def _tells_error(response: gemini.GenerateContentResponse) -> bool:
    """Whether the provider failed on the way or blocked the prompt, which it tells beside the candidates."""
    blocked = response.prompt_feedback
    return error_in_document({**(response.model_extra or {}), "promptFeedback": blocked and blocked.model_dump()})


def _message(call: Call, candidate: gemini.Candidate | None) -> Message:
    parts = candidate.content.parts if candidate is not None and candidate.content is not None else None
    said = [part.model_dump(exclude_none=True) for part in parts or ()]
    return Message("assistant", dialect.load_parts(said, first_call=count_calls(call.prompt.messages)))


def _answer(
    response: gemini.GenerateContentResponse,
    candidate: gemini.Candidate | None,
    content: Message,
    failure: Failure | None,
) -> ModelReply:
    usage = response.usage_metadata
    tier = (usage.service_tier or "").lower() if usage is not None else ""
    return ModelReply(
        content=content,
        usage=_usage(usage),
        finish_reason=_end(candidate, content),
        model_external=response.model_version,
        response_id=response.response_id,
        logprobs=_logprobs(candidate.logprobs_result) if candidate and candidate.logprobs_result else None,
        service_tier=_OUR_TIERS.get(tier, tier or None),
        failure=failure,
        raw=response.model_dump(exclude_none=True) if _says_more(response) else None,
    )


def _end(candidate: gemini.Candidate | None, content: Message) -> str | None:
    said = candidate.finish_reason if candidate is not None else None
    if said == "STOP" and content.tool_calls:
        return "tool_calls"
    return _ENDS.get(said, said) if said is not None else None


def _flaw(candidate: gemini.Candidate, content: Message) -> Failure | None:
    """A block is told as such, and so is an answer that went wrong before anything of it came."""
    end = _end(candidate, content)
    message = plain_line(
        f"the answer ended with {candidate.finish_reason}: {candidate.finish_message or 'no more is said'}"
    )
    if end == "content_filter":
        return Failure(FailureKind.CONTENT_FILTER, message, 200)
    is_empty = all(isinstance(part, Thinking) or part == Text("") for part in content.parts)
    if is_empty and end not in (None, "stop", "length"):
        return Failure(FailureKind.MALFORMED, message, 200)
    return None


def _usage(usage: gemini.UsageMetadata | None) -> Usage | None:
    """The prompt's count includes cached tokens, but not what built-in tools put in; the answer's has no reasoning."""
    if usage is None or usage.prompt_token_count is None:
        return None
    prompt = at_least_0(usage.prompt_token_count)
    read = min(at_least_0(usage.cached_content_token_count), prompt)
    thoughts = at_least_0(usage.thoughts_token_count)
    return Usage(
        input_tokens=prompt - read + at_least_0(usage.tool_use_prompt_token_count),
        output_tokens=at_least_0(usage.candidates_token_count) + thoughts,
        cache_read_tokens=read,
        reasoning_tokens=thoughts,
    )


def _logprobs(result: gemini.LogprobsResult) -> list[Any] | None:
    """In OpenAI's shape; what a token could have been stands at the same place of another list."""
    if result.chosen_candidates is None:
        return None
    tops = [step.candidates or [] for step in result.top_candidates or ()]
    tops += [[]] * (len(result.chosen_candidates) - len(tops))
    return [
        {**_token(chosen), "top_logprobs": [_token(token) for token in top]}
        for chosen, top in zip(result.chosen_candidates, tops, strict=False)
    ]


def _token(token: gemini.TokenLogprob) -> dict[str, Any]:
    text = token.token or ""
    return {"token": text, "logprob": token.log_probability or 0.0, "bytes": list(text.encode("utf-8", "replace"))}


def _says_more(response: gemini.GenerateContentResponse) -> bool:
    """Whether the reply holds something our types have no place for, so that the whole of it is kept."""
    candidates = response.candidates or []
    if len(candidates) != 1 or any((response.model_extra or {}).values()):
        return True
    [candidate] = candidates
    beside = (
        candidate.finish_message,
        candidate.citation_metadata,
        candidate.grounding_metadata,
        candidate.url_context_metadata,
    )
    return any(beside) or any((candidate.model_extra or {}).values())

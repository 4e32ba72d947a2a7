"""Says what kind of failure a reply or a transport error is: one module for all providers, tables and small parsers.

Codes and status are read first; where they disagree the graver kind counts (`_ORDER`). The message comes last and only
refines some kinds (`_WORDINGS`), so that a prompt quoted in it can stop no key. An unknown code counts as its bare
type; a new one is a new entry in a table. What follows from a kind is in `failure`, when to try again is the engine's
decision. The adapters call this module when a reply is no answer, the engine when no reply came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from deluge_sync._adapters.error_body import ErrorBody, code_of, read_error
from deluge_sync._adapters.failure import LONGEST_HINT_S, TRAITS, Failure, FailureKind
from deluge_sync._adapters.hints import retry_after_s

if TYPE_CHECKING:
    from deluge_sync._http import HttpReply
    from deluge_sync.errors import TransportError, TransportKind

__all__ = ["classify_reply", "classify_transport", "error_in_document", "plain_line"]

_Kind = FailureKind

_MAX_MESSAGE_CHARS = 500
_READ_CHARS = 4_000

# --- tables ---

# Of what code and status say, the earlier one counts.
_ORDER: Mapping[FailureKind, int] = {
    kind: rank
    for rank, kind in enumerate(
        (
            _Kind.QUOTA,
            _Kind.QUOTA_DAILY,
            _Kind.AUTH,
            _Kind.CONTENT_FILTER,
            _Kind.CONTEXT_LENGTH,
            _Kind.REQUEST_TOO_LARGE,
            _Kind.OVERLOADED,
            _Kind.RATE_LIMIT,
            _Kind.SERVER,
            _Kind.MODEL_NOT_FOUND,
            _Kind.PERMISSION,
            _Kind.BAD_REQUEST,
        )
    )
}


def _by_code(groups: Mapping[FailureKind, str]) -> Mapping[str, FailureKind]:
    return MappingProxyType({code: kind for kind, codes in groups.items() for code in codes.split()})


_CODES = _by_code(
    {
        _Kind.QUOTA: """
            insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
            organization_usage_limit_exceeded billing_hard_limit_reached billing_not_active billing_error
            enforced_spend_limit_reached contract_spend_limit_reached servicequotaexceededexception
            insufficient_balance insufficient_credits exceeded_current_quota_error payment_required
            openrouter_workspace_budget openrouter_credits openrouter_key_limit""",
        _Kind.QUOTA_DAILY: "quota_per_day",
        _Kind.AUTH: """
            invalid_api_key api_key_invalid authentication_error invalid_authentication_error unauthenticated
            unauthorized account_deactivated access_terminated consumer_suspended unrecognizedclientexception
            invalidsignatureexception incompletesignatureexception expiredtokenexception
            missingauthenticationtokenexception""",
        _Kind.CONTENT_FILTER: """
            content_filter content_filter_error content_policy_violation responsibleaipolicyviolation moderation_blocked
            invalid_prompt data_inspection_failed prompt_blocked flagged_input bio_policy misalignment_policy_violation
            image_content_policy_violation""",
        _Kind.CONTEXT_LENGTH: """
            context_length_exceeded model_context_window_exceeded exceed_context_size_error string_above_max_length""",
        _Kind.REQUEST_TOO_LARGE: "request_too_large payload_too_large request_entity_too_large",
        _Kind.OVERLOADED: """
            server_is_overloaded slow_down overloaded_error engine_overloaded engine_overloaded_error nocapacity
            capacity_exceeded service_tier_capacity_exceeded model_capacity_exhausted resource_unavailable
            ramp_limit_exceeded service_unavailable_error unavailable serviceunavailableexception
            modelnotreadyexception""",
        _Kind.RATE_LIMIT: """
            rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limit rate_limited ratelimitreached
            too_many_requests resource_exhausted throttlingexception toomanyrequestsexception""",
        _Kind.SERVER: """
            server_error internal_server_error internal_error internal api_error timeout_error conflict_error
            deadline_exceeded bad_gateway internalserverexception modelerrorexception modeltimeoutexception
            modelstreamerrorexception vector_store_timeout""",
        _Kind.MODEL_NOT_FOUND: """
            model_not_found unknown_model model_not_available model_decommissioned invalid_model deploymentnotfound
            not_found_error not_found resourcenotfoundexception""",
        _Kind.PERMISSION: """
            permission_error permission_denied accessdeniedexception forbidden unsupported_country_region_territory
            model_terms_required model_permission_blocked_org model_permission_blocked_project""",
        _Kind.BAD_REQUEST: """
            invalid_request_error invalid_argument validationexception bad_request unsupported_parameter
            unsupported_value invalid_value failed_precondition data_residency_mismatch
            invalid_image invalid_image_format invalid_base64_image invalid_image_url invalid_image_mode
            image_too_large image_too_small image_parse_error image_file_too_large
            unsupported_image_media_type empty_image_file failed_to_download_image image_file_not_found""",
    }
)

_PROVIDER_CODES: Mapping[str, Mapping[str, FailureKind]] = {
    "gemini": _by_code({_Kind.QUOTA_DAILY: "quota_exceeded"}),
    "mistral": _by_code({_Kind.RATE_LIMIT: "1300", _Kind.OVERLOADED: "3505"}),
    "minimax": _by_code(
        {
            _Kind.SERVER: "1000 1001 1024 1033",
            _Kind.RATE_LIMIT: "1002 1039",
            _Kind.AUTH: "1004 2049",
            _Kind.QUOTA: "1008",
            _Kind.CONTENT_FILTER: "1026 1027",
            _Kind.BAD_REQUEST: "2013",
        }
    ),
    # Source: https://docs.z.ai/api-reference/api-code (read 2026-11)
    "zai": _by_code(
        {
            _Kind.AUTH: "1000 1001 1002 1003 1004 1110 1111 1112",
            _Kind.QUOTA: "1113 1309 1310",
            _Kind.QUOTA_DAILY: "1304 1308",
            _Kind.MODEL_NOT_FOUND: "1211",
            _Kind.PERMISSION: "1220 1311",
            _Kind.CONTEXT_LENGTH: "1261",
            _Kind.CONTENT_FILTER: "1301",
            _Kind.RATE_LIMIT: "1302 1303",
            _Kind.OVERLOADED: "1305 1312",
        }
    ),
}

# OpenRouter answers 402 also when too much spending is under way at once; that passes within seconds.
_CODES_ABOVE_STATUS: Mapping[str, FailureKind] = {"openrouter_in_flight_budget": _Kind.RATE_LIMIT}

_STATUSES: Mapping[int, FailureKind] = {
    401: _Kind.AUTH,
    402: _Kind.QUOTA,
    403: _Kind.PERMISSION,
    404: _Kind.MODEL_NOT_FOUND,
    408: _Kind.SERVER,
    409: _Kind.SERVER,
    410: _Kind.MODEL_NOT_FOUND,
    413: _Kind.REQUEST_TOO_LARGE,
    425: _Kind.SERVER,
    429: _Kind.RATE_LIMIT,
    499: _Kind.SERVER,
    529: _Kind.OVERLOADED,
}
_STATUS_CLASSES: Mapping[int, FailureKind] = {3: _Kind.BAD_REQUEST, 4: _Kind.BAD_REQUEST}
_PROVIDER_STATUSES: Mapping[tuple[str, int], FailureKind] = {
    ("deepseek", 503): _Kind.OVERLOADED,
    ("gemini", 503): _Kind.OVERLOADED,
    ("openrouter", 503): _Kind.OVERLOADED,
    ("groq", 498): _Kind.OVERLOADED,
    ("fireworks_ai", 412): _Kind.QUOTA,
}


class _Wording(NamedTuple):
    """A pattern that refines a kind; with `provider`, only where that provider said it. `re` compiles it when used."""

    pattern: str
    kind: FailureKind
    provider: str | None = None


_OVER_CAPACITY = r"overloaded|capacity exceeded|(?:no|over|at) capacity|no available provider"
_NO_CREDIT = r"^(?:your )?(?:credit balance is too low|insufficient (?:balance|credits))"
_SPENT = r"^you have reached your specified (?:api )?usage limits"

# For each kind that codes and status left, in the order of `_ORDER`. The message is in lower case. In a bad request it
# may quote the prompt: there, what stops a key must stand at its start.
_WORDINGS: Mapping[FailureKind, tuple[_Wording, ...]] = {
    # Made too long before it was sent, or by a clock that is off: the next one is made anew.
    _Kind.AUTH: (_Wording(r"^signature (?:expired|not yet current)", _Kind.SERVER),),
    _Kind.RATE_LIMIT: (
        _Wording(r"\blimit: 0(?![\d.])", _Kind.QUOTA, "gemini"),
        _Wording(r"used all available credits|monthly spending limit", _Kind.QUOTA, "xai"),
        _Wording(r"calls / month", _Kind.QUOTA, "cohere"),
        _Wording(_NO_CREDIT, _Kind.QUOTA),
        _Wording(_SPENT, _Kind.QUOTA),
        _Wording(r"per-day", _Kind.QUOTA_DAILY, "openrouter"),
        _Wording(r"^too many tokens per day", _Kind.QUOTA_DAILY, "bedrock"),
        _Wording(r"^request too large", _Kind.REQUEST_TOO_LARGE),
        _Wording(_OVER_CAPACITY, _Kind.OVERLOADED),
    ),
    _Kind.SERVER: (_Wording(_OVER_CAPACITY, _Kind.OVERLOADED),),
    _Kind.MODEL_NOT_FOUND: (
        _Wording(
            r"\bfile\b.{0,120}not found|no such file|^(?:previous response|response with id|item with id)",
            _Kind.BAD_REQUEST,
        ),
    ),
    _Kind.PERMISSION: (
        _Wording(r"^(?:key|budget) limit exceeded", _Kind.QUOTA, "openrouter"),
        _Wording(r"used all available credits|monthly spending limit", _Kind.QUOTA, "xai"),
        _Wording(r"^your api key was reported as leaked", _Kind.AUTH),
        _Wording(r"^authentication failed: please make sure your api key", _Kind.AUTH, "bedrock"),
        _Wording(r"guardrail|moderation", _Kind.CONTENT_FILTER, "mistral"),
        _Wording(r"^content violates usage guidelines|input was flagged", _Kind.CONTENT_FILTER),
    ),
    _Kind.BAD_REQUEST: (
        _Wording(_NO_CREDIT, _Kind.QUOTA),
        _Wording(_SPENT, _Kind.QUOTA),
        _Wording(r"^(?:api key (?:not valid|not found|expired)|(?:incorrect|invalid) api key)", _Kind.AUTH),
        _Wording(r"content management policy|rejected .{0,40}safety system|blocked by content", _Kind.CONTENT_FILTER),
        _Wording(
            r"prompt is too long|input is too long|too many tokens|maximum (?:context|prompt) length"
            r"|input (?:length|token count).{0,80}exceed|exceeds?.{0,60}context (?:window|length|limit|size)"
            r"|context (?:window|length|limit).{0,40}exceed|reduce the length|tokens \+ `?max_(?:new_)?tokens`? must",
            _Kind.CONTEXT_LENGTH,
        ),
        _Wording(r"^request (?:payload|body|entity)?.{0,20}(?:too large|exceeds)", _Kind.REQUEST_TOO_LARGE),
        _Wording(
            r"^(?:the )?model .{0,120}(?:does not exist|not found|deprecated|decommissioned)"
            r"|^(?:invalid model|model not exist)|not a valid model|model identifier is invalid"
            r"|^invocation of model id .{0,200}on-demand throughput isn",
            _Kind.MODEL_NOT_FOUND,
        ),
        _Wording(r"^user location is not supported", _Kind.PERMISSION, "gemini"),
    ),
}

_TRANSPORT_KINDS: Mapping[TransportKind, FailureKind] = {
    "connect": _Kind.CONNECT,
    "broken": _Kind.CONNECT,
    "timeout": _Kind.TIMEOUT,
    "illegal": _Kind.BAD_REQUEST,
    "tls": _Kind.TLS,
    "too_large": _Kind.MALFORMED,
    "cancelled": _Kind.CANCELLED,
}

_SHOULD_RETRY: Mapping[str, bool] = {"true": True, "false": False}

# --- what callers use ---


def classify_reply(reply: HttpReply, *, provider: str) -> Failure:
    """The failure behind a reply that is no answer: an error status, or a success that is none.

    `provider` is the vendor's name in the catalogue; an unknown one counts as OpenAI-like. Never raises, whatever the
    reply holds.
    """
    text = _decoded(reply.body)
    document, flaw = _document(reply.body, text)
    body = _with_header_code(read_error(document), reply.headers)
    kind = flaw if flaw and _is_success(reply) else _kind(reply, document, body, provider)
    should_retry = _SHOULD_RETRY.get(reply.headers.get("x-should-retry", "").lower())
    wait_s = None
    if should_retry or TRAITS[kind].same_model_may_help:
        wait_s = retry_after_s(reply.headers, document, provider=provider)
    return Failure(
        kind=_Kind.RATE_LIMIT_LONG if kind is _Kind.RATE_LIMIT and (wait_s or 0) > LONGEST_HINT_S else kind,
        message=_message(reply, body, text if document is None else ""),
        status=reply.status,
        retry_after_s=wait_s,
        may_have_been_processed=_may_have_been_processed(reply.status, kind),
        code=plain_line(body.codes[0]) if body.codes else None,
        should_retry=should_retry,
    )


def error_in_document(document: object) -> bool:
    """Whether the parsed document of a 2xx reply is an error, or holds no answer; then `classify_reply` says which.

    For the path of success: a few look-ups, whatever the size of the document.
    """
    if not isinstance(document, dict) or _says_error(document):
        return True
    choices = _choices(document)
    return choices is not None and not (isinstance(choices, list) and choices)


def classify_transport(error: TransportError) -> Failure:
    """The failure behind a request that got no complete reply."""
    return Failure(
        kind=_TRANSPORT_KINDS[error.kind],
        message=plain_line(str(error)),
        may_have_been_processed=error.may_have_been_processed,
    )


# --- which kind ---


def _kind(reply: HttpReply, document: object, body: ErrorBody, provider: str) -> FailureKind:
    above_status = next((_CODES_ABOVE_STATUS[code] for code in body.codes if code in _CODES_ABOVE_STATUS), None)
    if above_status:
        return above_status
    status = body.status if _is_success(reply) else reply.status
    said = [kind for kind in (_code_kind(body.codes, provider), _status_kind(status, provider)) if kind]
    if not said:
        return _Kind.OVERLOADED if _says_error(document) else _hollow_kind(document)
    kind = min(said, key=_ORDER.__getitem__)
    if kind is _Kind.PERMISSION and _is_page(_decoded(reply.body)):
        # The CDN in front of the provider took offence at one request or is in trouble; the model is not at fault.
        return _Kind.SERVER
    return _refined(kind, body.message[:_READ_CHARS].lower(), provider)


def _code_kind(codes: tuple[str, ...], provider: str) -> FailureKind | None:
    """The kind of the most specific code that is known."""
    own = _PROVIDER_CODES.get(provider, {})
    return next((kind for code in codes if (kind := own.get(code) or _CODES.get(code))), None)


def _status_kind(status: int | None, provider: str) -> FailureKind | None:
    if status is None:
        return None
    return (
        _PROVIDER_STATUSES.get((provider, status))
        or _STATUSES.get(status)
        or _STATUS_CLASSES.get(status // 100, _Kind.SERVER)
    )


def _refined(kind: FailureKind, message: str, provider: str) -> FailureKind:
    for wording in _WORDINGS.get(kind, ()):
        if wording.provider in (None, provider) and re.search(wording.pattern, message):
            return wording.kind
    return kind


def _hollow_kind(document: object) -> FailureKind:
    """A reply without answer and without error: a slip of the server, unless output was paid for."""
    output = _field(document, "output")
    is_hollow = (
        [] in (_choices(document), output)
        or (_field(document, "type") == "message" and not _field(document, "content"))
        or (isinstance(output, dict) and not _field(_field(output, "message"), "content"))
    )
    return _Kind.SERVER if is_hollow and not _has_paid_output(document) else _Kind.MALFORMED


_OUTPUT_COUNTS = (
    ("usage", "completion_tokens"),
    ("usage", "output_tokens"),
    ("usage", "outputTokens"),
    ("usageMetadata", "candidatesTokenCount"),
    ("usageMetadata", "thoughtsTokenCount"),
)


def _has_paid_output(document: object) -> bool:
    return any(_field(_field(document, usage), count) not in (None, 0) for usage, count in _OUTPUT_COUNTS)


# --- reading a reply ---


def _is_success(reply: HttpReply) -> bool:
    return 200 <= reply.status < 300


def _decoded(body: bytes) -> str:
    return body[:_READ_CHARS].decode("utf-8", "replace").strip()


def _document(body: bytes, text: str) -> tuple[Any, FailureKind | None]:
    """The parsed body, and what is wrong with it where it cannot be parsed."""
    try:
        return json.loads(body), None
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None, _Kind.TRUNCATED if text[:1] in ("", "{", "[") else _Kind.SERVER
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        return None, _Kind.MALFORMED


def _with_header_code(body: ErrorBody, headers: Mapping[str, str]) -> ErrorBody:
    """Amazon may name the error in a header only."""
    code = code_of(headers.get("x-amzn-errortype"))
    return replace(body, codes=(*body.codes, code)) if code else body


def _field(document: object, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


def _choices(document: object) -> Any:
    choices = _field(document, "choices")
    if choices is None:
        choices = _field(document, "candidates")
    if choices is None and _field(document, "usageMetadata") is not None:
        return []  # Gemini leaves out a list that is empty
    return choices


def _first(choices: object) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _says_error(document: object) -> bool:
    return bool(
        _field(document, "error")
        or "error" in (_field(document, "type"), _field(document, "object"))
        or _field(_field(document, "promptFeedback"), "blockReason")
        or _field(_field(document, "base_resp"), "status_code")
        or _field(_first(_choices(document)), "error")
    )


def _is_page(text: str) -> bool:
    return text[:9].lower().startswith(("<!doctype", "<html"))


def _may_have_been_processed(status: int, kind: FailureKind) -> bool:
    """A refusal is not billed; a server that failed, or did not get or keep the whole request, may have run it."""
    if 300 <= status < 500:
        return _STATUSES.get(status) is _Kind.SERVER
    return status < 500 or kind is not _Kind.OVERLOADED


# --- the message ---

# What looks like a key: some servers quote the one they refuse. Compiled with the first failure, and kept by `re`.
_KEYS = (
    r"(?ai)\b(?:sk|pk|rk|gsk|xai|csk|nvapi|hf|r8|pplx|tgp)[-_][\w*.-]{6,}"
    r"|\bAIza[\w-]{16,}|\bAKIA[0-9A-Z]{12,}"
    r"|(?<=\bbearer )\S{6,}"
    r"|(?<=\bkey provided: )\S{6,}"
    r"|\b(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{32,}\b"
)
_TITLE = r"(?i)<title[^<>]{0,200}>([^<]{1,300})"


def _message(reply: HttpReply, body: ErrorBody, text: str) -> str:
    """The server's words, or ours where it has none. `text` is what could not be read as JSON."""
    return plain_line(body.message) or _page_title(reply.status, text) or plain_line(text) or _stand_in(reply)


def _page_title(status: int, text: str) -> str:
    if not _is_page(text):
        return ""
    title = re.search(_TITLE, text)
    return f"a web page came instead of an answer, status {status}" + (f": {plain_line(title[1])}" if title else "")


def _stand_in(reply: HttpReply) -> str:
    if not _is_success(reply):
        return f"status {reply.status} without a message"
    return "the reply holds no answer" if reply.body.strip() else "the reply is empty"


def plain_line(text: str) -> str:
    """One printable line, without what looks like a key, of at most `_MAX_MESSAGE_CHARS` characters."""
    text = text[:_READ_CHARS]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    line = re.sub(_KEYS, "***", " ".join(text.split()))
    return line if len(line) <= _MAX_MESSAGE_CHARS else line[: _MAX_MESSAGE_CHARS - 1] + "…"

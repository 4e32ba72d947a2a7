from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deluge_sync._adapters.classify import classify_reply, classify_transport, error_in_document
from deluge_sync._adapters.failure import FailureKind
from deluge_sync._http import HttpReply
from deluge_sync.errors import DeadlineExceededError, TransportError

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("error_replies.json").read_text("utf-8"))
# An event of a stream is told by its name; nobody asks `error_in_document` about it.
DOCUMENT_ROWS = [
    row for row in ROWS if row["status"] == 200 and not isinstance(row["body"], str) and "response" not in row["body"]
]


def _body(document: Any) -> bytes:
    """None is no body, a string is sent as it is."""
    if document is None:
        return b""
    return document.encode() if isinstance(document, str) else json.dumps(document).encode()


def _classify(document: Any, *, status: int = 400, provider: str = "openai", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_reply(HttpReply(status, named, _body(document)), provider=provider)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['provider']} {row['status']} {row['case']}" for row in ROWS])
def test_recorded_reply_is_classified(row: dict[str, Any]) -> None:
    reply = HttpReply(row["status"], row["headers"], _body(row["body"]))
    failure = classify_reply(reply, provider=row["provider"])
    assert (failure.kind, failure.retry_after_s) == (row["kind"], row["wait_s"])
    assert failure.status == row["status"]
    assert failure.message


@pytest.mark.parametrize("row", DOCUMENT_ROWS, ids=[row["case"] for row in DOCUMENT_ROWS])
def test_error_behind_status_200_is_noticed(row: dict[str, Any]) -> None:
    assert error_in_document(row["body"])


@pytest.mark.parametrize(
    "document",
    [
        {"object": "chat.completion", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]},
        {"object": "response", "status": "incomplete", "error": None, "output": []},
        {"type": "message", "content": [], "stop_reason": "end_turn"},
        {"candidates": [{"content": {"parts": []}}], "promptFeedback": {"safetyRatings": []}},
        {"choices": [{"message": {"content": "hi"}, "error": None}], "base_resp": {"status_code": 0}},
        {"object": "list", "data": []},
    ],
)
def test_answer_is_not_taken_for_an_error(document: dict[str, Any]) -> None:
    assert not error_in_document(document)


# --- the server's own say ---


@pytest.mark.parametrize(("word", "may_help"), [("true", True), ("false", False), ("True", True), ("perhaps", True)])
def test_x_should_retry_overrules_the_kind(word: str, may_help: bool) -> None:
    failure = _classify(None, status=500, x_should_retry=word)
    assert failure.kind is FailureKind.SERVER
    assert failure.traits.same_model_may_help is may_help


def test_x_should_retry_true_makes_a_refusal_worth_its_hint_and_spares_the_key() -> None:
    failure = _classify(None, status=401, x_should_retry="true", retry_after="3")
    assert failure.kind is FailureKind.AUTH
    assert failure.retry_after_s == 3
    assert failure.traits.same_model_may_help
    assert not failure.traits.stops_key


# --- text is the last resort ---


@pytest.mark.parametrize("words", ["rate limit", "overloaded", "insufficient balance", "Incorrect API key", "quota"])
def test_words_quoted_from_a_prompt_do_not_change_a_bad_request(words: str) -> None:
    document = {"error": {"message": f"messages[0].content: {words!r} is not allowed", "type": "invalid_request_error"}}
    assert _classify(document).kind is FailureKind.BAD_REQUEST


def test_code_beats_words() -> None:
    document = {"error": {"message": "the engine is overloaded", "code": "context_length_exceeded"}}
    assert _classify(document).kind is FailureKind.CONTEXT_LENGTH


# --- billing ---


@pytest.mark.parametrize(
    ("status", "document", "may_have_been_processed"),
    [
        (429, None, False),
        (400, None, False),
        (401, None, False),
        (301, None, False),
        (529, None, False),
        (408, None, True),
        (409, None, True),
        (499, None, True),
        (500, None, True),
        (504, None, True),
        (200, {"error": {"message": "overloaded", "code": "slow_down"}}, True),
        (200, '{"choices": [', True),
    ],
)
def test_only_a_certain_refusal_counts_as_not_processed(
    status: int, document: Any, may_have_been_processed: bool
) -> None:
    assert _classify(document, status=status).may_have_been_processed is may_have_been_processed


# --- what the user reads ---


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-Abc_123-def456ghi789",
        "sk-ant-api03-abcdefgh1234-xyz",
        "gsk_abcdefgh12345678",
        "AIzaSyA1234567890abcdefghijklmnop",
        "xai-abcdefgh12345678",
        "0123456789abcdef0123456789abcdef",
        "AKIA1234567890ABCDEF",
    ],
)
@pytest.mark.parametrize("sentence", ["no such key: {}.", "({}) was refused", "Bearer {} is unknown"])
@pytest.mark.parametrize("wrap", [lambda text: {"error": {"message": text, "code": text}}, str], ids=["json", "text"])
def test_key_quoted_by_the_server_is_not_shown(key: str, sentence: str, wrap: Any) -> None:
    failure = _classify(wrap(sentence.format(key)), status=401)
    assert key not in repr(failure)
    assert "***" in failure.message


def test_key_of_unknown_form_is_not_shown_where_the_sentence_names_it() -> None:
    failure = _classify({"error": {"message": "Incorrect API key provided: hunter2hunter2"}}, status=401)
    assert failure.message == "Incorrect API key provided: ***"


def test_message_is_one_printable_line_of_bounded_length() -> None:
    message = _classify({"error": {"message": "a\n\x1b[31mb\ud800 " + "word " * 1_000}}).message
    assert message.startswith("a [31mb word word")
    assert message.isprintable()
    assert len(message) == 500
    assert message.encode("utf-8")


@pytest.mark.parametrize(
    ("status", "document", "message"),
    [
        (503, None, "status 503 without a message"),
        (200, "", "the reply is empty"),
        (200, {"choices": []}, "the reply holds no answer"),
        (502, "<html><title> Bad\ngateway </title>", "a web page came instead of an answer, status 502: Bad gateway"),
        (403, "<!doctype html><p>no", "a web page came instead of an answer, status 403"),
        (502, "upstream  reset", "upstream reset"),
        (200, {"promptFeedback": {"blockReason": "SAFETY"}}, "SAFETY"),
        (422, {"detail": [{"loc": ["body"], "msg": "field missing"}]}, "field missing"),
    ],
)
def test_message_says_what_happened(status: int, document: Any, message: str) -> None:
    assert _classify(document, status=status).message == message


def test_code_of_the_provider_is_kept() -> None:
    document = {"error": {"message": "x", "type": "insufficient_quota", "code": "a_new_code"}}
    assert _classify(document, status=429).code == "a_new_code"


# --- bodies that cannot be read ---


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" * 200_000, FailureKind.MALFORMED),
        (b'{"n": ' + b"9" * 5_000 + b"}", FailureKind.MALFORMED),
        (b'{"text": "\xff\xfe"}', FailureKind.TRUNCATED),
        ('{"text": "é'.encode()[:-1], FailureKind.TRUNCATED),
        (b"\x00\x01\x02", FailureKind.SERVER),
    ],
    ids=["deep", "huge number", "not UTF-8", "cut inside a character", "binary"],
)
def test_unreadable_success_is_a_failure_and_never_raises(body: bytes, kind: FailureKind) -> None:
    assert classify_reply(HttpReply(200, {}, body), provider="openai").kind is kind


# --- transport ---


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransportError("connect", "refused", may_have_been_processed=False), FailureKind.CONNECT),
        (TransportError("illegal", "a header", may_have_been_processed=False), FailureKind.BAD_REQUEST),
        (TransportError("broken", "reset", may_have_been_processed=True), FailureKind.CONNECT),
        (TransportError("tls", "bad certificate", may_have_been_processed=False), FailureKind.TLS),
        (TransportError("too_large", "64 MB", may_have_been_processed=True), FailureKind.MALFORMED),
        (TransportError("cancelled", "cut", may_have_been_processed=True), FailureKind.CANCELLED),
        (DeadlineExceededError("30 s", may_have_been_processed=True), FailureKind.TIMEOUT),
    ],
)
def test_transport_error_is_classified(error: TransportError, kind: FailureKind) -> None:
    failure = classify_transport(error)
    assert failure.kind is kind
    assert failure.message == str(error)
    assert failure.status is None
    assert failure.may_have_been_processed is error.may_have_been_processed


# --- anything a server can send ---

PROVIDERS = st.sampled_from([*{row["provider"] for row in ROWS}, "", "💥"])
FIELDS = st.sampled_from(
    [
        *("error", "code", "type", "status", "__type", "object", "status_code", "base_resp", "response", "choices"),
        *("message", "Message", "msg", "detail", "errors", "status_msg", "blockReason", "promptFeedback", "candidates"),
        *("details", "error_code", "reason", "violations", "quotaId", "retryDelay", "innererror", "metadata", "raw"),
        *("headers", "reasons", "limit_source", "flagged_input", "usage", "usageMetadata", "completion_tokens"),
    ]
)
WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["1s", "6m0s", "-3s", "PerDay", "429", "try again in 9s", "error", "Please retry in 1e9s", "limit: 0"]
    ),
    st.integers(0, 10**18).map("try again in {}h".format),
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("retry-after", "retry-after-ms", "date", "x-should-retry", "x-amzn-errortype", "ratelimitbysize-reset"),
            *("x-ratelimit-remaining", "x-ratelimit-remaining-tokens", "anthropic-ratelimit-requests-remaining"),
            *("x-ratelimit-reset", "x-ratelimit-reset-tokens", "anthropic-ratelimit-requests-reset"),
        ]
    ),
    WORDS
    | st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes().map(lambda instant: instant.isoformat())
    | st.datetimes().map(lambda instant: f"{instant:%a, %d %b %Y %H:%M:%S} GMT")
    | st.just("0001-01-01T00:00:00+23:59")
    | st.just("Mon, 99 Nov 9999 99:99:99 GMT"),
)
STATUSES = st.integers(-1, 1_000) | st.sampled_from([200, 400, 429, 503])


# The very first text that hypothesis draws takes it a second, in a clean checkout.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _check(reply: HttpReply, provider: str) -> None:
    failure = classify_reply(reply, provider=provider)
    wait_s = failure.retry_after_s
    assert wait_s is None or (math.isfinite(wait_s) and wait_s >= 0)
    assert 0 < len(failure.message) <= 500
    assert failure.message.isprintable()
    assert failure.code is None or failure.code.isprintable()
    assert failure.traits is not None


@_patient
@given(status=STATUSES, headers=HEADERS, body=st.binary(max_size=200), provider=PROVIDERS)
def test_any_bytes_are_classified(status: int, headers: dict[str, str], body: bytes, provider: str) -> None:
    _check(HttpReply(status, headers, body), provider)


@_patient
@given(status=STATUSES, headers=HEADERS, document=DOCUMENTS, provider=PROVIDERS)
def test_any_document_is_classified(status: int, headers: dict[str, str], document: Any, provider: str) -> None:
    _check(HttpReply(status, headers, json.dumps(document).encode()), provider)
    error_in_document(document)


@_patient
@given(row=st.sampled_from(ROWS), data=st.data())
def test_recorded_reply_with_one_field_replaced_is_classified(row: dict[str, Any], data: st.DataObject) -> None:
    document = json.loads(json.dumps(row["body"]))
    node = document
    while isinstance(node, dict) and node:
        name = data.draw(st.sampled_from(sorted(node)))
        if data.draw(st.booleans()) or not isinstance(node[name], dict):
            node[name] = data.draw(DOCUMENTS)
            break
        node = node[name]
    _check(HttpReply(row["status"], row["headers"], _body(document)), row["provider"])


def test_deepest_document_json_can_read_is_classified() -> None:
    depth = 900
    body = b'{"error": ' * depth + b'{"code": "slow_down"}' + b"}" * depth
    _check(HttpReply(200, {}, body), "openai")


def test_duplicate_fields_and_numbers_json_does_not_know_are_classified() -> None:
    body = b'{"error": {"code": NaN, "code": Infinity, "message": 1, "message": -Infinity}, "error": {"code": 1e999}}'
    assert classify_reply(HttpReply(429, {}, body), provider="gemini").kind is FailureKind.RATE_LIMIT

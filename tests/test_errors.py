"""The exception tree: what each descends from, and what survives pickling."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from deluge_sync import errors
from deluge_sync.embedding import Embeddings, Ranking, TextError

EVERY_ERROR = [
    errors.DelugeError("x"),
    errors.ConfigError("x"),
    errors.UnknownModelError("gpt-5-nano-x", ["gpt-5-nano"]),
    errors.MissingKeyError("gpt-5-nano", "OPENAI_API_KEY"),
    errors.RequestTooLargeError("tokens", 5_000, 1_000),
    errors.UnknownTaskError(7),
    errors.ClientClosedError("x"),
    errors.TransportError("broken", "x", may_have_been_processed=True),
    errors.DeadlineExceededError("x", may_have_been_processed=False),
    errors.ToolArgumentsError("f", ["a: is required"]),
    errors.MCPConnectionError("files", "x"),
    errors.MCPTimeoutError("files", "x"),
    errors.MCPToolError("files", "read", "x", ["a part"]),
    errors.ApiStatusError(500, {"error": "x"}),
    errors.ReplyFormatError("x"),
    errors.EmbeddingError(Embeddings([None], model="m", errors={0: TextError("server", "x")})),
    errors.RerankError(Ranking([], model="m", errors={0: TextError("server", "x")}), 1),
    errors.BatchError("x", manifest=Path("/job.jsonl"), kind="auth", batch_ids=["batch_1"]),
]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_with_its_text_and_attributes(error: errors.DelugeError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_error_of_the_tree_is_tried_here() -> None:
    raised = {getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}

    assert {type(error) for error in EVERY_ERROR} == raised


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.RequestTooLargeError, ValueError),
        (errors.UnknownTaskError, KeyError),
        (errors.ClientClosedError, RuntimeError),
        (errors.TransportError, ConnectionError),
        (errors.DeadlineExceededError, TimeoutError),
        (errors.ReplyFormatError, ValueError),
        (errors.ToolArgumentsError, ValueError),
        (errors.EmbeddingError, RuntimeError),
        (errors.RerankError, RuntimeError),
        (errors.MCPConnectionError, ConnectionError),
        (errors.MCPTimeoutError, TimeoutError),
        (errors.MCPToolError, RuntimeError),
        (errors.Interrupted, KeyboardInterrupt),
    ],
)
def test_each_is_also_the_builtin_a_caller_would_expect(kind: type, builtin: type) -> None:
    assert issubclass(kind, builtin)


def test_an_interruption_is_no_ordinary_exception_and_counts_its_answers() -> None:
    interrupted = errors.Interrupted(["a", None, "b"])

    assert not isinstance(interrupted, Exception)
    assert interrupted.responses == ["a", None, "b"]
    assert "2 of 3 answers" in str(interrupted)


def test_an_unknown_model_names_the_nearest_ones() -> None:
    error = errors.UnknownModelError("gpt-5-nano-x", ["gpt-5-nano", "gpt-5"])

    assert str(error).startswith("unknown model 'gpt-5-nano-x'; did you mean 'gpt-5-nano' or 'gpt-5'?")

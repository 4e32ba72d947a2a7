"""The exceptions this package raises. Imports nothing, so that every module may import it.

A prompt that fails is not an exception: it is an `APIResponse` with `is_error=True`. What is raised is wrong use.

    DelugeError
    ├── ConfigError (ValueError)              a setting, argument or environment that cannot work
    │   ├── UnknownModelError                 the name is in no registry
    │   └── MissingKeyError                   the model needs an API key and none was found
    ├── RequestTooLargeError (ValueError)     one request exceeds the whole per-minute budget
    ├── UnknownTaskError (KeyError)           no task has this id, or its answer was handed out already
    ├── ClientClosedError (RuntimeError)      the client or limiter was closed
    ├── TransportError (ConnectionError)      no complete reply arrived
    │   └── DeadlineExceededError (TimeoutError)   ... because the time was up
    ├── ToolArgumentsError (ValueError)       a tool was called with arguments that do not fit
    ├── MCPConnectionError (ConnectionError)  an MCP server cannot be reached, or the connection to it broke
    │   └── MCPTimeoutError (TimeoutError)        ... or it did not answer in time
    ├── MCPToolError (RuntimeError)           an MCP server says that a call of its tool failed
    ├── ApiStatusError                        a direct SDK call was answered with an error status
    ├── BatchError (RuntimeError)             a batch job cannot go on now; its manifest keeps it
    ├── EmbeddingError (RuntimeError)         some texts have no vector; carries those that have
    ├── RerankError (RuntimeError)            some documents have no score; carries the ranking of the others
    └── ReplyFormatError (ValueError)         a direct SDK call was answered with something unreadable

    Interrupted (KeyboardInterrupt)           Ctrl-C; carries the answers that had arrived
    BatchInterrupted (KeyboardInterrupt)      Ctrl-C while a batch job was sent or waited for; it is not lost
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "ApiStatusError",
    "BatchError",
    "BatchInterrupted",
    "ClientClosedError",
    "ConfigError",
    "DeadlineExceededError",
    "DelugeError",
    "EmbeddingError",
    "Interrupted",
    "MCPConnectionError",
    "MCPTimeoutError",
    "MCPToolError",
    "MissingKeyError",
    "ReplyFormatError",
    "RequestTooLargeError",
    "RerankError",
    "ToolArgumentsError",
    "TransportError",
    "TransportKind",
    "UnknownModelError",
    "UnknownTaskError",
]

TransportKind = Literal["connect", "timeout", "broken", "illegal", "tls", "too_large", "cancelled"]


class DelugeError(Exception):
    """Ancestor of every exception this package raises on purpose. Pickled, it keeps its text and its attributes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The usual way calls the class with the finished text, which is not what the constructors here take.
        return _revive, (type(self), self.args), self.__dict__


class ConfigError(DelugeError, ValueError):
    """A setting or an argument cannot work; the message names it and its value."""


class UnknownModelError(ConfigError):
    """No registered model has this name. `suggestions` holds the nearest names, best first."""

    def __init__(self, model_name: str, suggestions: Sequence[str] = ()) -> None:
        self.model_name = model_name
        self.suggestions = tuple(suggestions)
        hint = f"; did you mean {' or '.join(repr(name) for name in self.suggestions)}?" if self.suggestions else ""
        super().__init__(f"unknown model {model_name!r}{hint} (register_model adds one; base_url= needs none)")


class MissingKeyError(ConfigError):
    """The model needs an API key and the environment variable `env_var` is not set."""

    def __init__(self, model_name: str, env_var: str) -> None:
        self.model_name = model_name
        self.env_var = env_var
        super().__init__(f"no API key for model {model_name!r}: set the environment variable {env_var}")


class RequestTooLargeError(DelugeError, ValueError):
    """One request needs more than a whole minute's budget, so no wait would help."""

    def __init__(self, what: str, needed: float, budget: float) -> None:
        self.what = what
        self.needed = needed
        self.budget = budget
        super().__init__(f"the request needs {needed:,.0f} {what}, more than the limit of {budget:,.0f} a minute")


class UnknownTaskError(DelugeError, KeyError):
    """No task has the id `task_id`, or its answer was handed out already."""

    def __init__(self, task_id: object) -> None:
        self.task_id = task_id
        super().__init__(f"no task has the id {task_id!r}, or its answer was handed out already")

    __str__ = Exception.__str__  # a KeyError puts its text in quotes


class ClientClosedError(DelugeError, RuntimeError):
    """The client, or the limiter it shares, was closed before this call."""


class TransportError(DelugeError, ConnectionError):
    """A request was not answered by a complete HTTP reply.

    `kind` says where it broke; with "illegal" the request itself has a URL or header that cannot be sent.
    `may_have_been_processed` is False only where it is certain that the provider never had the whole request (refused
    connection, unknown host, failed TLS handshake). `delivered_bytes` is how much of a streamed body was handed over
    before it broke; 0 where nothing was, so that the request may be sent again.
    """

    delivered_bytes: int = 0

    def __init__(self, kind: TransportKind, message: str, *, may_have_been_processed: bool) -> None:
        self.kind: TransportKind = kind
        self.may_have_been_processed = may_have_been_processed
        super().__init__(message)


class DeadlineExceededError(TransportError, TimeoutError):
    """The total time of one attempt was up: connecting, sending and every byte of the reply included."""

    def __init__(self, message: str, *, may_have_been_processed: bool) -> None:
        super().__init__("timeout", message, may_have_been_processed=may_have_been_processed)


class ToolArgumentsError(DelugeError, ValueError):
    """A tool was called with arguments that do not fit its parameters; its function has not run.

    The text is one line that a model can read and act on. `complaints` has one entry for each thing that is wrong.
    """

    def __init__(self, tool_name: str, complaints: Sequence[str]) -> None:
        self.tool_name = tool_name
        self.complaints = tuple(complaints)
        super().__init__(f"wrong arguments for tool {tool_name!r}: {'; '.join(self.complaints)}")


class MCPConnectionError(DelugeError, ConnectionError):
    """An MCP server cannot be started or reached, or the connection broke. `server_name` is what the user calls it."""

    def __init__(self, server_name: str, message: str) -> None:
        self.server_name = server_name
        super().__init__(message)


class MCPTimeoutError(MCPConnectionError, TimeoutError):
    """An MCP server did not answer within the time limit of the call."""


class MCPToolError(DelugeError, RuntimeError):
    """An MCP server says that a call of its tool failed (`isError`), or that it does not know it.

    The text is the server's, for the model to read. `parts` is the whole result, images included, as message parts.
    """

    def __init__(self, server_name: str, tool_name: str, message: str, parts: Sequence[Any] = ()) -> None:
        self.server_name = server_name
        self.tool_name = tool_name
        self.parts = tuple(parts)
        super().__init__(message)


class ApiStatusError(DelugeError):
    """A direct SDK call got an error status. `body` is the parsed JSON of the reply, or its text."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        super().__init__(f"the provider answered with status {status}: {str(body)[:500]}")


class ReplyFormatError(DelugeError, ValueError):
    """A direct SDK call got a reply that is not the document its endpoint promises."""


class BatchError(DelugeError, RuntimeError):
    """A batch job cannot go on for now. Nothing of it is lost: `resume_batch_job(manifest)` goes on where it stopped.

    `kind` is the `error_kind` of what went wrong, None where it was nothing of the provider's. `batch_ids` are those of
    the batches that the provider has.
    """

    def __init__(
        self, message: str, *, manifest: Path | None = None, kind: str | None = None, batch_ids: Sequence[str] = ()
    ) -> None:
        self.manifest = manifest
        self.kind = kind
        self.batch_ids = tuple(batch_ids)
        super().__init__(message)


class EmbeddingError(DelugeError, RuntimeError):
    """Some texts could not be turned into vectors. `embeddings` has all those that could, and were paid for.

    It is what the call would have returned with `on_error="keep"`: `embeddings.errors` says why, by position.
    """

    def __init__(self, embeddings: Any) -> None:
        self.embeddings = embeddings
        super().__init__(_some_failed(embeddings.errors, len(embeddings), "texts", "vectors", "embeddings"))


class RerankError(DelugeError, RuntimeError):
    """Some documents could not be ranked. `ranking` has the others, and `ranking.errors` says why, by position."""

    def __init__(self, ranking: Any, documents: int) -> None:
        self.ranking = ranking
        super().__init__(_some_failed(ranking.errors, documents, "documents", "scores", "ranking"))


def _some_failed(errors: Mapping[int, Any], total: int, inputs: str, outputs: str, attribute: str) -> str:
    first = min(errors)
    return (
        f"{len(errors)} of {total} {inputs} failed, the first at position {first} ({errors[first].kind}: "
        f"{errors[first].message}); the {outputs} of the others are in .{attribute}, "
        'and on_error="keep" raises nothing'
    )


def _revive(kind: type[DelugeError], args: tuple[Any, ...]) -> DelugeError:
    error = kind.__new__(kind)
    error.args = args
    return error


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while prompts were running. Not a `DelugeError`, so that `except Exception` does not swallow it.

    `responses` has one entry per prompt in the prompts' order; None where no answer had arrived.
    """

    def __init__(self, responses: Sequence[Any]) -> None:
        self.responses = list(responses)
        finished = sum(response is not None for response in self.responses)
        super().__init__(f"interrupted with {finished} of {len(self.responses)} answers; they are in .responses")


class BatchInterrupted(KeyboardInterrupt):
    """Ctrl-C while a batch job was sent or waited for. What the provider has goes on there; `manifest` keeps the job.

    Not a `DelugeError`, so that `except Exception` does not swallow it.
    """

    def __init__(self, manifest: Path) -> None:
        self.manifest = manifest
        super().__init__(
            f"interrupted; the provider goes on with what it has. To go on waiting: "
            f"client.resume_batch_job_sync({str(manifest)!r}) or python -m deluge_sync batch wait {manifest}"
        )

"""The adapters under test, each with the table that says what its wire format looks like.

A table is `cases/<adapter module>.json`: `model` has the fields of a registry row, `url`, `stream_url`, `key` and
`requests` what `build_request` must give for the calls of the contract suite, `replies` and `streams` recorded replies
and what must be read in them. `params` replaces what the suite sets where the format refuses it. `cannot` names the
calls, replies and streams that the format has no words for, each with the reason; `refuses` those that it answers with
a ConfigError, each with a part of its message. A new adapter joins the suite by adding its table.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from deluge_sync._adapters.call import Adapter
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._http import HttpRequest
    from deluge_sync.deltas import StreamEvent

_TABLES = sorted((Path(__file__).parent / "cases").glob("*.json"))
_ABILITIES = (
    "supports_json",
    "supports_schema",
    "supports_logprobs",
    "supports_images",
    "supports_files",
    "reasoning_model",
)


@dataclass(frozen=True)
class AdapterCase:
    adapter: Adapter
    model: Model
    table: Mapping[str, Any]

    def call(
        self,
        prompt: Conversation | None = None,
        *,
        model: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        key: str | None = "sk-test-key",
        is_streamed: bool = False,
        **extras: Any,
    ) -> Call:
        """A call of the table's model, which can do everything but for the changes in `model`."""
        changed = replace(self.model, **(model or {}))
        secret = Secret(key) if key is not None else None
        usual = {"temperature": 0.5, "top_p": 0.9, "max_new_tokens": 100, **self.table.get("params", {})}
        settings = SamplingParams(**{**usual, **(params or {})})
        conversation = prompt or Conversation.user("Hi")
        return Call(conversation, changed, settings, changed.api_base, secret, Extras(**extras), is_streamed)

    def build(self, *args: Any, **kwargs: Any) -> HttpRequest:
        return self.adapter.build_request(self.call(*args, **kwargs))

    def body(self, *args: Any, **kwargs: Any) -> Any:
        return json.loads(self.build(*args, **kwargs).body or b"")

    def read(self, body: Any, *, status: int = 200) -> ModelReply | Failure:
        """What the adapter reads in a reply; a body that is no bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.adapter.parse_reply(self.call(), HttpReply(status, {}, sent))

    def row(self, kind: str, name: str) -> Any:
        """What the table has under this name. Skips the test where the format cannot say it."""
        if name in self.table.get("cannot", {}):
            pytest.skip(f"{self.model.api_spec}: {self.table['cannot'][name]}")
        return self.table[kind][name]

    def stream_body(self, name: str) -> bytes:
        """The recorded bytes of a stream: a text, or base64 where the framing is binary."""
        row = self.row("streams", name)
        return base64.b64decode(row["base64"]) if "base64" in row else str(row["body"]).encode()

    def read_stream(
        self, chunks: Iterable[bytes], *, broken: Failure | None = None
    ) -> tuple[list[StreamEvent], ModelReply | Failure]:
        """The deltas of a stream that comes in these chunks, and how it ends."""
        reader = self.adapter.open_stream(self.call(is_streamed=True))
        deltas = [delta for chunk in chunks for delta in reader.feed(chunk)]
        return deltas, reader.finish(broken)


@pytest.fixture(params=_TABLES, ids=lambda path: path.stem, scope="session")
def adapter_case(request: pytest.FixtureRequest) -> AdapterCase:
    table = json.loads(request.param.read_text("utf-8"))
    adapter = cast("Adapter", import_module(f"deluge_sync._adapters.{request.param.stem}"))
    able: dict[str, Any] = dict.fromkeys(_ABILITIES, True)
    return AdapterCase(adapter, Model(**able, **table["model"]), table)


def _without_slack(schema: Any) -> Any:
    """A pydantic core schema in which no dict takes an unknown key and no iterable waits to be checked."""
    if isinstance(schema, list | tuple):
        return type(schema)(_without_slack(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    tight = {key: _without_slack(value) for key, value in schema.items()}
    if tight.get("type") == "typed-dict":
        tight["extra_behavior"] = "forbid"
    if tight.get("type") == "generator":
        tight["type"] = "list"
    return tight


@pytest.fixture(scope="session")
def judge_of() -> Callable[[Any], Callable[[bytes | None], None]]:
    """Makes a judge of an official package's type: strict, to the last corner; it raises `ValidationError`."""

    def judge_of(official: Any) -> Callable[[bytes | None], None]:
        judge = SchemaValidator(_without_slack(TypeAdapter(official).core_schema))
        return lambda body: judge.validate_json(body or b"", strict=True) and None

    return judge_of

"""The adapters under test, each with the table that says what its wire format looks like.

A table is `cases/<adapter module>.json`: `model` has the fields of a registry row, `url`, `key` and `requests` what
`build_request` must give for the calls of the contract suite, `replies` recorded replies and what must be read in
them. A new adapter joins the suite by adding its table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from deluge_sync._adapters.call import Call, Extras, ModelReply
from deluge_sync._http import HttpReply
from deluge_sync._secret import Secret
from deluge_sync.config import SamplingParams
from deluge_sync.models import Model
from deluge_sync.prompt import Conversation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._adapters.call import Adapter
    from deluge_sync._adapters.failure import Failure
    from deluge_sync._http import HttpRequest

_TABLES = sorted((Path(__file__).parent / "cases").glob("*.json"))
_ABILITIES = ("supports_json", "supports_schema", "supports_logprobs", "reasoning_model")


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
        **extras: Any,
    ) -> Call:
        """A call of the table's model, which can do everything but for the changes in `model`."""
        changed = replace(self.model, **(model or {}))
        secret = Secret(key) if key is not None else None
        settings = SamplingParams(**{"temperature": 0.5, "top_p": 0.9, "max_new_tokens": 100, **(params or {})})
        return Call(prompt or Conversation.user("Hi"), changed, settings, changed.api_base, secret, Extras(**extras))

    def build(self, *args: Any, **kwargs: Any) -> HttpRequest:
        return self.adapter.build_request(self.call(*args, **kwargs))

    def body(self, *args: Any, **kwargs: Any) -> Any:
        return json.loads(self.build(*args, **kwargs).body or b"")

    def read(self, body: Any, *, status: int = 200) -> ModelReply | Failure:
        """What the adapter reads in a reply; a body that is no bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.adapter.parse_reply(self.call(), HttpReply(status, {}, sent))


@pytest.fixture(params=_TABLES, ids=lambda path: path.stem, scope="session")
def adapter_case(request: pytest.FixtureRequest) -> AdapterCase:
    table = json.loads(request.param.read_text("utf-8"))
    adapter = cast("Adapter", import_module(f"deluge_sync._adapters.{request.param.stem}"))
    able: dict[str, Any] = dict.fromkeys(_ABILITIES, True)
    return AdapterCase(adapter, Model(**able, **table["model"]), table)

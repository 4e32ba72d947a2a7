from __future__ import annotations

from typing import Any

import pytest

from codegen.document import SchemaError
from codegen.endpoints import render_endpoints, render_package


def test_endpoints_of_the_small_schema(toy: dict[str, Any]) -> None:
    assert (
        render_endpoints(toy, "toy", "# header")
        == '''\
# header

from __future__ import annotations

from types import NoneType

from deluge_sync.sdk._base import Endpoint, Provider
from deluge_sync.sdk.toy.models import Answer, Piece, Question

provider = Provider(
    name="toy",
    base_url="https://toy.example/v1",
    base_url_env=("TOY_URL",),
    key_env=("TOY_KEY", "TOY_OLD_KEY"),
    key_header="x-toy-key",
    key_prefix="",
    headers={"toy-version": "2"},
)
api = provider.api

ask: Endpoint[Question, Answer, Piece] = Endpoint("POST", "/ask", Question, Answer, Piece)
"""Ask."""

list_things: Endpoint[None, Answer, None] = Endpoint("GET", "/things", NoneType, Answer, NoneType)
"""List."""
'''
    )


def test_the_package_lists_every_public_name(toy: dict[str, Any]) -> None:
    models = "class B: ...\nA = TypeAliasType('A', B)\n"
    assert (
        render_package(toy, "toy", "# header", models)
        == '''\
# header
"""Toy: the operations we call, typed. `api(...)` makes the caller."""

from __future__ import annotations

from deluge_sync.sdk.toy.endpoints import api, ask, list_things, provider
from deluge_sync.sdk.toy.models import A, B

__all__ = [
    "A",
    "B",
    "api",
    "ask",
    "list_things",
    "provider",
]
'''
    )


def test_a_bearer_key_goes_into_the_authorization_header(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"] = {"type": "http", "scheme": "bearer"}
    text = render_endpoints(toy, "toy", "# header")
    assert '    key_header="Authorization",\n    key_prefix="Bearer ",\n' in text


def test_a_key_in_the_query_is_refused(toy: dict[str, Any]) -> None:
    toy["components"]["securitySchemes"]["key"]["in"] = "query"
    with pytest.raises(SchemaError, match="'key' is neither a bearer token nor a key in a header"):
        render_endpoints(toy, "toy", "# header")


def test_a_body_without_a_name_is_refused(toy: dict[str, Any]) -> None:
    toy["paths"]["/ask"]["post"]["requestBody"]["content"]["application/json"]["schema"] = {"type": "object"}
    with pytest.raises(SchemaError, match="ask: its bodies must be references to components"):
        render_endpoints(toy, "toy", "# header")

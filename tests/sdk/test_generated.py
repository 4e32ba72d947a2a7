"""Holds for every generated package: what a provider adds never breaks parsing, and what we send stays strict.

The samples come from the models' own JSON Schemas, so a new schema or a new operation is covered when it appears.
"""

from __future__ import annotations

import json
import pkgutil
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypeAliasType

import deluge_sync.sdk
from deluge_sync.sdk._base import Endpoint, Model, RequestModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Samples = Callable[[dict[str, Any]], list[Any]]

PROVIDERS = [found.name for found in pkgutil.iter_modules(deluge_sync.sdk.__path__) if found.ispkg]
PACKAGES = [import_module(f"deluge_sync.sdk.{name}") for name in PROVIDERS]
PUBLIC = [
    (f"{provider}.{name}", getattr(package, name))
    for provider, package in zip(PROVIDERS, PACKAGES, strict=True)
    for name in package.__all__
]
CLASSES = {name: found for name, found in PUBLIC if isinstance(found, type) and issubclass(found, Model)}
REQUESTS = {name: model for name, model in CLASSES.items() if issubclass(model, RequestModel)}
# What neither another class nor a union contains: whole replies and errors. A member of a union is tried within it,
# because alone its tag is a constant; a union of events is tried at its endpoint.
UNIONS = {name: found for name, found in PUBLIC if isinstance(found, TypeAliasType)}
TYPES: dict[str, Any] = {**CLASSES, **UNIONS}
CONTAINED = {
    f"{where.partition('.')[0]}.{name}"
    for where, found in TYPES.items()
    for name in TypeAdapter(found).json_schema().get("$defs", ())
    if name != found.__name__
}
WHOLE_REPLIES = {name: model for name, model in CLASSES.items() if name not in REQUESTS and name not in CONTAINED}
ENDPOINTS = {name: found for name, found in PUBLIC if isinstance(found, Endpoint)}


def each(cases: Mapping[str, object], name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, cases.values(), ids=cases.keys())


def dumped(model: Model) -> Any:
    return json.loads(model.model_dump_json(exclude_none=True, by_alias=True))


@each(WHOLE_REPLIES, "model")
def test_a_reply_with_unknown_fields_values_and_tags_is_parsed_and_kept_whole(
    model: type[Model], samples_with_news: Samples
) -> None:
    for sample in samples_with_news(model.model_json_schema()):
        assert dumped(model.model_validate_json(json.dumps(sample))) == sample


@each(ENDPOINTS, "endpoint")
def test_an_endpoint_parses_replies_full_of_news(endpoint: Endpoint[Any, Any, Any], samples_with_news: Samples) -> None:
    if endpoint.response in (bytes, type(None)):
        return
    [expected] = getattr(endpoint.response, "__args__", None) or [endpoint.response]
    for sample in samples_with_news(TypeAdapter(expected).json_schema()):
        reply = endpoint.parse(json.dumps(sample).encode() + b"\n")
        assert dumped(reply[0] if isinstance(reply, list) else reply) == sample


@each(ENDPOINTS, "endpoint")
def test_an_endpoint_parses_events_full_of_news(endpoint: Endpoint[Any, Any, Any], samples_with_news: Samples) -> None:
    if endpoint.event is not type(None):
        for sample in samples_with_news(TypeAdapter(endpoint.event).json_schema()):
            assert dumped(endpoint.parse_event(json.dumps(sample).encode())) == sample


@each(ENDPOINTS, "endpoint")
def test_the_path_of_an_endpoint_has_exactly_its_path_parameters(endpoint: Endpoint[Any, Any, Any]) -> None:
    in_path = {param.wire for param in endpoint.params if param.place == "path"}
    assert set(re.findall(r"{(\w+)}", endpoint.path)) == in_path


@each(CLASSES, "model")
def test_a_sample_with_every_field_survives_parsing_and_dumping(model: type[Model], plain_samples: Samples) -> None:
    for sample in plain_samples(model.model_json_schema()):
        assert dumped(model.model_validate_json(json.dumps(sample))) == sample


@each(REQUESTS, "model")
def test_a_request_refuses_an_unknown_field(model: type[Model], plain_samples: Samples) -> None:
    for sample in plain_samples(model.model_json_schema()):
        with pytest.raises(ValidationError, match="x_brand_new"):
            model.model_validate({**sample, "x_brand_new": 1})


@each(REQUESTS, "model")
def test_a_request_has_no_defaults_but_its_tags(model: type[Model]) -> None:
    fields = model.model_json_schema().get("properties", {})
    defaults = {name: node["default"] for name, node in fields.items() if node.get("default") is not None}
    assert defaults == {name: node["const"] for name, node in fields.items() if "const" in node and "default" in node}

"""Holds for every generated package: what a provider adds never breaks parsing, and what we send stays strict.

The samples come from the models' own JSON Schemas, so a new schema or a new operation is covered when it appears.
"""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter, ValidationError

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
# What no other class contains: whole replies, events and errors. A member of a union is tried within its union, because
# alone its tag is a constant.
CONTAINED = {name for model in CLASSES.values() for name in model.model_json_schema().get("$defs", ())}
WHOLE_REPLIES = {
    name: model for name, model in CLASSES.items() if name not in REQUESTS and model.__name__ not in CONTAINED
}
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
def test_an_endpoint_parses_replies_and_events_full_of_news(
    endpoint: Endpoint[Any, Any, Any], samples_with_news: Samples
) -> None:
    parsers = {"reply": (endpoint.response, endpoint.parse), "event": (endpoint.event, endpoint.parse_event)}
    for expected, parse in parsers.values():
        if expected is not type(None):
            for sample in samples_with_news(TypeAdapter(expected).json_schema()):
                assert dumped(parse(json.dumps(sample).encode())) == sample


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

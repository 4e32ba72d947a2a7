"""What the operations of the Mistral format share: documents, pages, ids, refusals, requests checked by their types."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs
from uuid import UUID

from pydantic import BaseModel, ValidationError

from deluge_sync.testing._format import Draft, Refused
from deluge_sync.testing._reply import ErrorSpec, Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deluge_sync.testing._format import Call

__all__ = [
    "JSON",
    "PREFIX",
    "check_model",
    "checked_fields",
    "document",
    "found",
    "item_id",
    "page",
    "query",
    "refuse",
    "refuse_field",
]

PREFIX = "/mistral"
JSON = MappingProxyType({"content-type": "application/json"})
_USUAL_PAGE = 100
_NOUNS = MappingProxyType({"files": "File", "jobs": "Batch job"})

Request = dict[str, Any]


def document(body: Mapping[str, Any]) -> Draft:
    """A reply with status 200."""
    return Draft(Raw(200, JSON, json.dumps(body).encode()))


def query(call: Call) -> dict[str, list[str]]:
    """The query of a request: all values of each parameter."""
    return parse_qs(call.incoming.target.partition("?")[2])


def page(call: Call, items: Sequence[Any], render: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The list with the part of `items` that `page` and `page_size` in the query ask for, and how many there are."""
    number, size = _count(call, "page", 0), _count(call, "page_size", _USUAL_PAGE)
    shown = [render(item) for item in items[number * size : (number + 1) * size]]
    return {"object": "list", "data": shown, "total": len(items)}


def _count(call: Call, name: str, usual: int) -> int:
    text = query(call).get(name, [str(usual)])[-1]
    if not text.isdecimal():
        refuse_field(f"query.{name}", "int_parsing", "Input should be a valid integer")
    return int(text)


def item_id(number: int) -> str:
    """The id of the thing with this number: a UUID."""
    return str(UUID(int=number, version=4))


def found(call: Call, shelf: str, wanted: str) -> Any:
    """The thing with this id. Refuses with 404 if there is none, and with 422 if this can be no id."""
    try:
        UUID(wanted)
    except ValueError:
        refuse_field("path.id", "uuid_parsing", "Input should be a valid UUID")
    item = call.store.shelf(f"mistral_{shelf}").get(wanted)
    if item is None:
        refuse(f"{_NOUNS[shelf]} {wanted} not found", status=404, type="not_found")
    return item


def refuse(message: str, *, status: int = 400, type: str | None = None, code: str | None = None) -> NoReturn:  # noqa: A002  (the field's name)
    """Refuse the request with an error object."""
    raise Refused(ErrorSpec(status, message, code=code, type=type))


def refuse_field(place: str, kind: str, message: str) -> NoReturn:
    """Refuse the request with 422 for the field at `place`, steps joined by dots."""
    raise Refused(ErrorSpec(422, message, type=kind, param=place))


def check_model(call: Call, model: str) -> None:
    """Refuse a model that is not there."""
    if call.models is not None and model not in call.models:
        refuse(f"Invalid model: {model}", type="invalid_model", code="1500")


def checked_fields(body: bytes, model: type[BaseModel], *, ignore_unknown: bool = False) -> Request:
    """The request as parsed JSON, if its fields and their types are those of `model`.

    `ignore_unknown` lets fields pass that Mistral does not have. Refuses with 422, naming the first field that is
    wrong.
    """
    try:
        request: Request = json.loads(body)
        model.model_validate(request, strict=True)
    except ValidationError as error:
        _refuse_first(error, ignore_unknown=ignore_unknown)
    except (ValueError, RecursionError):
        refuse_field("body", "json_invalid", "JSON decode error")
    return request


def _refuse_first(error: ValidationError, *, ignore_unknown: bool) -> None:
    for problem in error.errors(include_url=False, include_input=False):
        if not (ignore_unknown and problem["type"] == "extra_forbidden"):
            refuse_field(".".join(["body", *map(str, problem["loc"])]), problem["type"], problem["msg"])

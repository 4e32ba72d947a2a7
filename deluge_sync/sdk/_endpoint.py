"""One operation of a provider as a value: where it is, what it takes and gives, and how both are written.

Pure: an `Endpoint` builds paths, bodies and typed replies, and sends nothing. `Api` and the adapters use it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, TypeAdapter, ValidationError

from deluge_sync.errors import ConfigError, ReplyFormatError
from deluge_sync.sdk._model import building

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["AWS_EVENTS", "BYTES", "EVENTS", "FORM", "JSON", "JSON_LINES", "Endpoint", "Param", "ParamValue", "texts_of"]

Req = TypeVar("Req")
Res = TypeVar("Res")
Event = TypeVar("Event")

ParamValue: TypeAlias = "str | int | float | bool | Sequence[str] | None"

JSON: Final = "application/json"
JSON_LINES: Final = "application/jsonl"
FORM: Final = "multipart/form-data"
BYTES: Final = "application/octet-stream"
EVENTS: Final = "text/event-stream"
AWS_EVENTS: Final = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of an operation. `name` is the keyword that callers use, `wire` the provider's name for it.

    `kind` is the type of its value. A `fixed` value is always sent and cannot be given. `keeps_slashes` is for a part
    of the path that is a path itself, such as Gemini's `files/abc`.
    """

    name: str
    wire: str
    place: Literal["path", "query", "header"]
    kind: type
    required: bool = False
    keeps_slashes: bool = False
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Req, Res, Event]):
    """One operation of a provider, with the types of its request, its reply and its stream events.

    The types are fields too, as `Any`: an event may be a union, which is no class. NoneType stands for "has none", and
    bytes for content that is passed on as it is. `request_form`, `response_form` and `event_form` are media types; with
    `JSON_LINES` the reply is a list. `path_prefix` goes before the version in the base URL. `event_name_field` is where
    the name of a server-sent event belongs that its data does not repeat.
    """

    method: str
    path: str
    request: Any
    response: Any
    event: Any
    params: tuple[Param, ...] = ()
    request_form: str = JSON
    response_form: str = JSON
    event_form: str = EVENTS
    event_name_field: str | None = None
    path_prefix: str = ""

    def url(self, base_url: str, values: Mapping[str, ParamValue] | None = None) -> str:
        """The address of this operation with the parameters in `values` filled in, all percent-encoded.

        Raises:
            ConfigError: a parameter is unknown, missing, of another type, or would lead to another path.
        """
        given = self._checked(values or {})
        path = self.path
        for param, value in given.items():
            if param.place == "path":
                path = path.replace(f"{{{param.wire}}}", _path_part(param, value))
        query = [
            (param.wire, text) for param, value in given.items() if param.place == "query" for text in texts_of(value)
        ]
        return _prefixed(base_url, self.path_prefix) + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def headers(self, values: Mapping[str, ParamValue]) -> dict[str, str]:
        """The headers that `values` ask for. Raises like `url`."""
        given = self._checked(values)
        return {param.wire: ",".join(texts_of(value)) for param, value in given.items() if param.place == "header"}

    def dump(self, request: Req) -> bytes | None:
        """The body that says `request`: UTF-8 JSON without the fields that are None, or None if it has no body.

        Bytes are passed on. A form is written by `encode`, because it says its border in a header.
        """
        if isinstance(request, bytes):
            return request
        if not isinstance(request, BaseModel):
            return None
        return request.model_dump_json(exclude_none=True, by_alias=True).encode()

    def encode(self, request: Req) -> tuple[str, bytes | None]:
        """The body that says `request`, and its content type."""
        if self.request_form == FORM and isinstance(request, BaseModel):
            from deluge_sync.sdk._form import write_form  # with the first upload

            return write_form(request)
        return self.request_form, self.dump(request)

    def parse(self, body: bytes) -> Res:
        """The typed reply in `body`; None whatever the body if the endpoint promises none.

        Raises:
            ReplyFormatError: it is no JSON, or not the document that this endpoint promises.
        """
        reply: Any = None
        if self.response is bytes:
            reply = body
        elif self.response_form == JSON_LINES:
            reply = list(self.parse_lines(body))
        elif self.response is not type(None):
            reply = _parse(self.response, body)
        result: Res = reply
        return result

    def parse_lines(self, body: bytes) -> Iterator[Any]:
        """The typed value of each line of a JSON Lines reply, blank lines left out. Raises like `parse`."""
        [line_type] = self.response.__args__
        return (_parse(line_type, line) for line in body.split(b"\n") if line.strip())

    def parse_event(self, data: bytes, name: str | None = None) -> Event:
        """The typed stream event in the `data` of one event, whose `name` the stream gave. Raises like `parse`.

        An event of an AWS stream becomes an object with `name` as its only key, as in Amazon's own models.
        """
        if name is not None and self.event_form == AWS_EVENTS:
            data = b"{%b:%b}" % (json.dumps(name).encode(), data or b"{}")
        elif name is not None and self.event_name_field is not None:
            data = _named(data, self.event_name_field, name)
        event: Event = _parse(self.event, data)
        return event

    def _checked(self, values: Mapping[str, ParamValue]) -> dict[Param, ParamValue]:
        """The values to send, by parameter: those that were given and are not None, and the fixed ones."""
        given = {name: value for name, value in values.items() if value is not None}
        known = {param.name: param for param in self.params if param.fixed is None}
        if unknown := sorted(set(given) - set(known)):
            raise ConfigError(f"{self._name} has no parameter {', '.join(unknown)}; {_listed(known)}")
        if missing := [name for name, param in known.items() if param.required and name not in given]:
            raise ConfigError(f"{self._name} needs {', '.join(missing)}; pass it as a keyword")
        for name, value in given.items():
            _refuse_type(self._name, known[name], value)
        fixed: dict[Param, ParamValue] = {param: param.fixed for param in self.params if param.fixed is not None}
        return fixed | {known[name]: value for name, value in given.items()}

    @property
    def _name(self) -> str:
        return f"{self.method} {self.path}"


def _listed(known: Mapping[str, Param]) -> str:
    return f"it knows {', '.join(known)}" if known else "it has none"


def _refuse_type(where: str, param: Param, value: ParamValue) -> None:
    accepted: tuple[type, ...] = {float: (float, int), list: (list, tuple)}.get(param.kind, (param.kind,))
    if not isinstance(value, accepted) or (isinstance(value, bool) and param.kind is not bool):
        raise ConfigError(f"{where}: {param.name} must be {param.kind.__name__}, not {value!r}")


def _path_part(param: Param, value: ParamValue) -> str:
    [text] = texts_of(value)
    steps = text.split("/") if param.keeps_slashes else [text]
    if any(step in ("", ".", "..") for step in steps):
        raise ConfigError(f"{param.name}={text!r} would lead to another path; pass the provider's id of it")
    return quote(text, safe="/" if param.keeps_slashes else "")


def texts_of(value: ParamValue) -> list[str]:
    """A value as the provider reads it; a list is several."""
    if isinstance(value, (list, tuple)):
        return [str(each) for each in value]
    return [json.dumps(value) if isinstance(value, bool) else str(value)]


def _prefixed(base_url: str, prefix: str) -> str:
    """`base_url` with `prefix` before its version: `https://host/v1` and `/upload` give `https://host/upload/v1`.

    The version is the last part of its path; a proxy may have a path of its own before it.
    """
    if not prefix:
        return base_url
    scheme, separator, rest = base_url.partition("://")
    place, slash, version = rest.rpartition("/")
    return f"{scheme}{separator}{place}{prefix}{slash}{version}" if slash else base_url + prefix


def _named(data: bytes, name_field: str, name: str) -> bytes:
    """`data` with `name` in it, if it is an object that does not say it; anything else is left for the parser."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(document, dict) or name_field in document:
        return data
    return json.dumps({name_field: name, **document}).encode()


@cache
def _adapter(expected: Any) -> TypeAdapter[Any]:
    with building:
        return TypeAdapter(expected)


def _parse(expected: Any, body: bytes) -> Any:
    try:
        return _adapter(expected).validate_json(body)
    except ValidationError as exc:
        problem = _first_problems(exc)
    # Outside the handler: pydantic's error holds the whole input, and would travel along as the context.
    raise ReplyFormatError(f"the reply is no {getattr(expected, '__name__', expected)}: {problem}")


def _first_problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}" for problem in found[:3]]
    return "; ".join(shown) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")

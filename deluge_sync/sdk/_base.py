"""What the generated packages are made of: two base classes, an endpoint, a provider, and an `Api` that calls it.

Written by hand; everything a provider has of its own is data that `codegen` writes. Called by the adapters, which use
`Endpoint` and the models, and by users, who use `Api`. A call is one HTTP exchange: no retry and no limit.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from deluge_sync._http import HttpRequest, send
from deluge_sync._secret import Secret
from deluge_sync.errors import ApiStatusError, ConfigError, ReplyFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._http import HttpReply

__all__ = ["Api", "Endpoint", "Model", "Provider", "RequestModel"]

Req = TypeVar("Req")
Res = TypeVar("Res")
Event = TypeVar("Event")

DEFAULT_TIMEOUT_S = 600.0

_building = threading.RLock()


class Model(BaseModel):
    """What a provider sends. Unknown fields are kept: `model_extra` has them, and a dump writes them out again.

    `defer_build` moves the building of a class's validator from its import to its first use. A field whose name is
    taken in Python, such as `schema_`, may be given by either name and is dumped by the provider's.
    """

    model_config = ConfigDict(
        extra="allow",
        defer_build=True,
        protected_namespaces=(),
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    @classmethod
    def model_rebuild(cls, *, force: bool = False, raise_errors: bool = True, **_namespaces: Any) -> bool | None:
        """Build the validator now. One thread builds at a time: pydantic before 2.14 breaks when two do."""
        with _building:
            if cls.__pydantic_complete__ and not force:
                return None
            return super().model_rebuild(force=force, raise_errors=raise_errors, _parent_namespace_depth=0)


class RequestModel(Model):
    """What we send. An unknown field is refused, because a misspelt one would be ignored or fail at the provider."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Req, Res, Event]):
    """One operation of a provider, with the types of its request, its reply and its stream events.

    The types are fields too, as `Any`: an event may be a union, which is no class. NoneType stands for "has none".
    """

    method: str
    path: str
    request: Any
    response: Any
    event: Any

    def dump(self, request: Req) -> bytes | None:
        """The body that says `request`: UTF-8 JSON without the fields that are None, or None if it has no body."""
        if not isinstance(request, BaseModel):
            return None
        return request.model_dump_json(exclude_none=True, by_alias=True).encode()

    def parse(self, body: bytes) -> Res:
        """The typed reply in `body`.

        Raises:
            ReplyFormatError: it is no JSON, or not the document that this endpoint promises.
        """
        reply: Res = _parse(self.response, body)
        return reply

    def parse_event(self, data: bytes) -> Event:
        """The typed stream event in the `data` of one server-sent event. Raises like `parse`."""
        event: Event = _parse(self.event, data)
        return event


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider is and how it wants to be asked: generated data."""

    name: str
    base_url: str
    base_url_env: tuple[str, ...]
    key_env: tuple[str, ...]
    key_header: str
    key_prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def api(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Api:
        """An `Api` for one key. What is None is read from the environment now: `key_env`, `base_url_env`.

        `headers` are added to every request and replace ours of the same name. `timeout_s` bounds one call in total.

        Raises:
            ConfigError: there is no key, or one that no header can carry.
        """
        # From here on no frame of ours holds the text, so that no traceback with its locals shows it.
        api_key = Secret(api_key or "") if not isinstance(api_key, Secret) else api_key
        own: dict[str, str | Secret] = {"Content-Type": "application/json", **self.headers}
        own[self.key_header] = self._key(api_key)
        url = base_url or _from_environment(self.base_url_env) or self.base_url
        return Api(url.rstrip("/"), _merge(own, headers or {}), timeout_s)

    def _key(self, given: Secret) -> Secret:
        """The value of the header that carries the key."""
        key = given if given.reveal() else Secret(_from_environment(self.key_env) or "")
        if not key.reveal():
            raise ConfigError(f"no API key for {self.name}: pass api_key= or set {' or '.join(self.key_env)}")
        if not _fits_a_header(key):
            raise ConfigError(f"the API key for {self.name} has a space, line break or other character no key has")
        return Secret(self.key_prefix + key.reveal())


@dataclass(frozen=True, slots=True)
class Api:
    """Calls endpoints with one key. Holds no connection of its own and no state: any number of threads may share it."""

    base_url: str
    headers: Mapping[str, str | Secret] = field(repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S

    @overload
    def call(self, endpoint: Endpoint[None, Res, Any]) -> Res: ...
    @overload
    def call(
        self, endpoint: Endpoint[Req, Res, Any], request: Req, *, extra_body: Mapping[str, Any] | None = None
    ) -> Res: ...
    def call(self, endpoint: Any, request: Any = None, *, extra_body: Mapping[str, Any] | None = None) -> Any:
        """Send `request` once and return the typed reply.

        `extra_body` holds fields that the request model does not know; they are added at the top of the JSON body.

        Raises:
            ApiStatusError: the status is not 2xx.
            ReplyFormatError: the body is not what the endpoint promises.
            TransportError: no complete reply came; `DeadlineExceededError` if the time was up.
        """
        reply = send(self.prepare(endpoint, request, extra_body=extra_body), timeout_s=self.timeout_s)
        if not 200 <= reply.status < 300:
            raise ApiStatusError(reply.status, _json_or_text(reply))
        return endpoint.parse(reply.body)

    def prepare(
        self, endpoint: Endpoint[Req, Any, Any], request: Req, *, extra_body: Mapping[str, Any] | None = None
    ) -> HttpRequest:
        """The HTTP request that `call` would send. Sends nothing."""
        body = endpoint.dump(request)
        if extra_body:
            body = json.dumps({**json.loads(body or b"{}"), **extra_body}, ensure_ascii=False).encode()
        return HttpRequest(endpoint.method, self.base_url + endpoint.path, self.headers, body)


@cache
def _adapter(expected: Any) -> TypeAdapter[Any]:
    with _building:
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


def _json_or_text(reply: HttpReply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return reply.body.decode("utf-8", "replace")


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _fits_a_header(key: Secret) -> bool:
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text


def _merge(own: Mapping[str, str | Secret], given: Mapping[str, str]) -> dict[str, str | Secret]:
    replaced = {name.lower() for name in given}
    return {**{name: value for name, value in own.items() if name.lower() not in replaced}, **given}

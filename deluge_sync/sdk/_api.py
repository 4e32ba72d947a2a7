"""A provider as data, and the `Api` that calls its endpoints with one key. A call is one HTTP exchange: no retry."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from urllib.parse import urlsplit

from deluge_sync._http import HttpRequest, send
from deluge_sync._secret import Secret
from deluge_sync.errors import ApiStatusError, ConfigError, ReplyFormatError
from deluge_sync.sdk._endpoint import JSON, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._http import HttpReply
    from deluge_sync.sdk._endpoint import ParamValue

__all__ = ["Api", "BaseUrlVariable", "Exchange", "KeyHeader", "Provider"]

Req = TypeVar("Req")
Res = TypeVar("Res")

DEFAULT_TIMEOUT_S = 600.0
_HOST_PART = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """Another way to show who is calling: the variables that may hold such a key, and the header it goes in."""

    env: tuple[str, ...]
    header: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class BaseUrlVariable:
    """A part of the base URL that differs between callers, such as a region, with the variables that may say it."""

    name: str
    default: str
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider is and how it wants to be asked: generated data.

    `base_url_env_path` is what the variables in `base_url_env` leave out at the end and we put there. `other_keys` are
    tried in their order where no key is given and `key_env` has none.
    """

    name: str
    base_url: str
    base_url_env: tuple[str, ...]
    key_env: tuple[str, ...]
    key_header: str
    key_prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    base_url_env_path: str = ""
    base_url_variables: tuple[BaseUrlVariable, ...] = ()
    other_keys: tuple[KeyHeader, ...] = ()

    def api(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        **variables: str,
    ) -> Api:
        """An `Api` for one key. What is None is read from the environment now: `key_env`, `base_url_env`.

        `headers` are added to every request and replace ours of the same name. `timeout_s` bounds one call in total.
        `variables` fill the base URL where it has some, such as `region=`.

        Raises:
            ConfigError: there is no key, or one that no header can carry; or a variable is unknown or fits no host.
        """
        # From here on no frame of ours holds the text, so that no traceback with its locals shows it.
        api_key = Secret(api_key or "") if not isinstance(api_key, Secret) else api_key
        own: dict[str, str | Secret] = {"Content-Type": JSON, **self.headers, **self._key(api_key)}
        return Api(self.find_base_url(base_url, **variables), _merge(own, headers or {}), timeout_s)

    def find_base_url(self, base_url: str | None = None, **variables: str) -> str:
        """What comes before the paths, without a slash at its end: `base_url`, the environment's, or the provider's.

        Raises:
            ConfigError: a variable is unknown, or its value cannot be a part of a host name.
        """
        if unknown := sorted(set(variables) - {each.name for each in self.base_url_variables}):
            raise ConfigError(f"the base URL of {self.name} has no variable {', '.join(unknown)}")
        if base_url:
            return base_url.rstrip("/")
        if found := (_from_environment(self.base_url_env) or "").rstrip("/"):
            return found if found.endswith(self.base_url_env_path) else found + self.base_url_env_path
        values = {each.name: _host_part(each, variables.get(each.name)) for each in self.base_url_variables}
        return self.base_url.format_map(values).rstrip("/")

    def _key(self, given: Secret) -> dict[str, Secret]:
        """The header that carries the key."""
        places = (KeyHeader(self.key_env, self.key_header, self.key_prefix), *self.other_keys)
        if given.reveal():
            return {self.key_header: self._key_value(given, self.key_prefix)}
        for place in places:
            found = Secret(_from_environment(place.env) or "")
            if found.reveal():
                return {place.header: self._key_value(found, place.prefix)}
        names = " or ".join(name for place in places for name in place.env)
        raise ConfigError(f"no API key for {self.name}: pass api_key= or set {names}")

    def _key_value(self, key: Secret, prefix: str) -> Secret:
        if not _fits_a_header(key):
            raise ConfigError(f"the API key for {self.name} has a space, line break or other character no key has")
        return Secret(prefix + key.reveal())


@dataclass(frozen=True, slots=True)
class Exchange(Generic[Res]):
    """A successful call in full. Header names are lower-case."""

    reply: Res
    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """Calls endpoints with one key. Holds no connection of its own and no state: any number of threads may share it."""

    base_url: str
    headers: Mapping[str, str | Secret] = field(repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S

    @overload
    def call(
        self,
        endpoint: Endpoint[None, Res, Any],
        *,
        extra_headers: Mapping[str, str] | None = None,
        url: str | None = None,
        **params: ParamValue,
    ) -> Res: ...
    @overload
    def call(
        self,
        endpoint: Endpoint[Req, Res, Any],
        request: Req,
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        url: str | None = None,
        **params: ParamValue,
    ) -> Res: ...
    def call(self, endpoint: Any, request: Any = None, **options: Any) -> Any:
        """Send `request` once and return the typed reply.

        `extra_body` holds fields that the request model does not know; they are added at the top of the JSON body.
        `extra_headers` go with this request only and replace others of the same name. `url` is an address that the
        provider gave for this step, in the place of ours; the key goes along only to the base URL's own host. All
        other keywords are parameters of the endpoint.

        Raises:
            ConfigError: a parameter is unknown, missing or of another type, or the request is missing.
            ApiStatusError: the status is not 2xx.
            ReplyFormatError: the body is not what the endpoint promises.
            TransportError: no complete reply came; `DeadlineExceededError` if the time was up.
        """
        return self.exchange(endpoint, request, **options).reply

    def exchange(
        self,
        endpoint: Endpoint[Req, Res, Any],
        request: Req | None = None,
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        url: str | None = None,
        **params: ParamValue,
    ) -> Exchange[Res]:
        """`call`, with the status and the headers of the reply."""
        prepared = self.prepare(
            endpoint, request, extra_body=extra_body, extra_headers=extra_headers, url=url, **params
        )
        reply = send(prepared, timeout_s=self.timeout_s)
        problem = None
        if 200 <= reply.status < 300:
            try:
                return Exchange(endpoint.parse(reply.body), reply.status, reply.headers)
            except ReplyFormatError as error:
                problem = str(error)
        # Raised here: a traceback with its locals would show the body, and the key if the server quotes it.
        reply = replace(reply, headers={}, body=_without_keys(reply.body, prepared.headers))
        if problem is not None:
            raise ReplyFormatError(problem)
        raise ApiStatusError(reply.status, _json_or_text(reply))

    def prepare(
        self,
        endpoint: Endpoint[Req, Any, Any],
        request: Req | None = None,
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        url: str | None = None,
        **params: ParamValue,
    ) -> HttpRequest:
        """The HTTP request that `call` would send. Sends nothing."""
        if request is None and endpoint.request is not type(None):
            raise ConfigError(f"{endpoint.method} {endpoint.path} needs a request: {endpoint.request.__name__}")
        content_type, body = endpoint.encode(request) if request is not None else (endpoint.request_form, None)
        if extra_body and content_type != JSON:
            raise ConfigError(f"{endpoint.method} {endpoint.path} takes no JSON, so extra_body cannot be added to it")
        if extra_body:
            body = json.dumps({**json.loads(body or b"{}"), **extra_body}, ensure_ascii=False).encode()
        own = self._headers_for(url) if url else self.headers
        if content_type != JSON:
            own = _merge(own, {"Content-Type": content_type})
        headers = _merge(own, {**endpoint.headers(params), **(extra_headers or {})})
        return HttpRequest(endpoint.method, url or endpoint.url(self.base_url, params), headers, body)

    def _headers_for(self, url: str) -> Mapping[str, str | Secret]:
        """Our headers, without the key if `url` leads to another host than the base URL."""
        if urlsplit(url)[:2] == urlsplit(self.base_url)[:2]:
            return self.headers
        return {name: value for name, value in self.headers.items() if not isinstance(value, Secret)}


def _without_keys(body: bytes, headers: Mapping[str, str | Secret]) -> bytes:
    """The body of an error, without the key: some servers quote the one they refuse."""
    text = body.decode("utf-8", "replace")
    for value in headers.values():
        text = value.hide_in(text) if isinstance(value, Secret) else text
    return text.encode()


def _json_or_text(reply: HttpReply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return reply.body.decode("utf-8", "replace")


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _host_part(variable: BaseUrlVariable, given: str | None) -> str:
    value = given or _from_environment(variable.env) or variable.default
    if not _HOST_PART.fullmatch(value):
        raise ConfigError(f"{variable.name}={value!r} cannot be a part of a host name")
    return value


def _fits_a_header(key: Secret) -> bool:
    text = key.reveal()
    return text.isascii() and text.isprintable() and " " not in text


def _merge(own: Mapping[str, str | Secret], given: Mapping[str, str]) -> dict[str, str | Secret]:
    replaced = {name.lower() for name in given}
    return {**{name: value for name, value in own.items() if name.lower() not in replaced}, **given}

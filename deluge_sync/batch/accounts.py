"""Who is asked with which key: the route of each model of a job, its provider's backend, and a wire to there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deluge_sync._secret import Secret
from deluge_sync.batch.backend import Backend, backend_of
from deluge_sync.batch.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync._engine.pool import Route
    from deluge_sync._http import Transport

__all__ = ["Account", "open_account"]


@dataclass(frozen=True, slots=True)
class Account:
    """One model of a job: how its answers are read, and how its provider is called."""

    route: Route
    backend: Backend
    wire: Wire


def open_account(route: Route, extra_headers: Mapping[str, str], transport: Transport) -> Account:
    """The account for a route. The user's headers go with every call, in the place of ours of the same name.

    Raises:
        ConfigError: there are no batch jobs for this kind of model.
    """
    from deluge_sync.sdk._base import Api  # with the first job: a client alone loads no SDK

    backend = backend_of(route.model.api_spec)
    own: dict[str, str | Secret] = {
        "Content-Type": "application/json",
        **backend.provider.headers,
        **_key(route, backend),
    }
    replaced = {name.lower() for name in extra_headers}
    headers = {name: value for name, value in own.items() if name.lower() not in replaced}
    api = Api(route.base_url, {**headers, **{name: Secret(value) for name, value in extra_headers.items()}})
    return Account(route, backend, Wire(api, transport, provider=route.model.provider))


def _key(route: Route, backend: Backend) -> dict[str, Secret]:
    if route.api_key is None:
        return {}
    if route.model.key_header is not None:
        return {route.model.key_header: route.api_key}
    provider = backend.provider
    return {provider.key_header: Secret(provider.key_prefix + route.api_key.reveal())}

"""A file at a provider as all providers tell of it, and what each provider's module has for it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deluge_sync.sdk._base import Api, Provider

__all__ = ["Content", "Store", "Stored"]


@dataclass(frozen=True, slots=True)
class Content:
    """What is uploaded: the bytes as a prompt would send them, their type, and a name with the right extension."""

    data: bytes
    media_type: str
    name: str
    is_image: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What the provider says of a file. `expires_at` is Unix time. `problem`: why it can never be used."""

    file_id: str
    is_ready: bool = True
    problem: str | None = None
    expires_at: float = inf


class Store(Protocol):
    """The files of one provider: a module with these. The functions make one step each and try nothing again.

    Each raises what `Api.call` raises.
    """

    provider: Provider

    def put(self, api: Api, content: Content) -> Stored:
        """Upload."""
        ...

    def look(self, api: Api, file_id: str) -> Stored:
        """Ask how the file stands."""
        ...

    def remove(self, api: Api, file_id: str) -> None:
        """Delete it. Not an error where there is no such file."""
        ...

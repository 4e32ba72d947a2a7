"""What a wire format is: a module with routes and a few functions. One module for each, such as `_openai`.

The rest of the provider (server, ledger, limits, faults, scripts) knows formats only through these types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from deluge_sync.testing._reply import Answer, ErrorSpec

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from deluge_sync.testing._limits import Dimension, Shortage, Standing
    from deluge_sync.testing._reply import Raw
    from deluge_sync.testing._store import Store
    from deluge_sync.testing._wire import Incoming

__all__ = ["Call", "Draft", "Refused", "Route", "WireFormat"]


class Refused(Exception):  # noqa: N818  (a verdict on a request, not a failure of the provider)
    """The request gets the error `spec`."""

    def __init__(self, spec: ErrorSpec) -> None:
        self.spec = spec
        super().__init__(spec.message)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that reached an operation. `sequence` is its number in the ledger, `rng` its own seeded dice.

    `variables` holds the parts of the path that the route names. `models` None: every model name is known.
    `ignore_unknown` lets fields pass that the provider does not have. `store` is what outlasts the request.
    """

    incoming: Incoming
    sequence: int
    rng: random.Random
    variables: Mapping[str, str]
    models: Sequence[str] | None
    ignore_unknown: bool
    answer: Answer
    store: Store


@dataclass(frozen=True, slots=True)
class Draft:
    """An operation's reply, and what it counts for. `max_tokens` None: the request set no limit."""

    raw: Raw
    prompt_tokens: int = 0
    completion_tokens: int = 0
    max_tokens: int | None = None


class Route:
    """One operation: method, path with `{variables}` (each matches any text, slashes included), and its function.

    The function returns a `Draft` or raises `Refused`. Only what asks a model (POST, if nothing else is said) counts
    against the limits. An address that was given to one client needs no key.
    """

    def __init__(
        self,
        method: str,
        path: str,
        operation: Callable[[Call], Draft],
        *,
        is_limited: bool | None = None,
        needs_key: bool = True,
    ) -> None:
        self.method = method
        self.needs_key = needs_key
        self.operation = operation
        self.is_limited = method == "POST" if is_limited is None else is_limited
        self._pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(path)))

    def match(self, path: str) -> dict[str, str] | None:
        """The path's variables, or None if this is another path."""
        found = self._pattern.fullmatch(path)
        return {name: unquote(text) for name, text in found.groupdict().items()} if found else None


class WireFormat(Protocol):
    """The functions and tables of a format module."""

    @property
    def PREFIX(self) -> str:  # noqa: N802  (a module constant)
        """What all its paths begin with, such as `/gemini`; empty for the one format without."""

    @property
    def ROUTES(self) -> Sequence[Route]:  # noqa: N802  (a module constant)
        """All operations of the format."""

    def api_key(self, headers: Mapping[str, str]) -> str | None:
        """The key that came with a request, None if there was none."""

    def render_error(self, spec: ErrorSpec, request: Incoming) -> Raw:
        """An error in the format's shape."""

    def unknown_path(self, request: Incoming) -> ErrorSpec:
        """The error of a path that no route has."""

    def wrong_method(self, request: Incoming) -> ErrorSpec:
        """The error of a known path with another method."""

    def wrong_key(self, key: str | None) -> ErrorSpec:
        """The error of a missing (None) or wrong key."""

    def over_limit(self, shortage: Shortage) -> ErrorSpec:
        """The error of a request that a limit keeps out."""

    def reply_headers(self, standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
        """The headers of every reply: where the limits stand, and the id of request number `sequence`."""

"""Random misbehaviour: a table of named faults, and one seeded draw for each request."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from deluge_sync.errors import ConfigError
from deluge_sync.testing._reply import Reply

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

__all__ = ["FAULTS", "Faults"]

FAULTS: Mapping[str, Reply] = MappingProxyType(
    {
        **{f"error_{status}": Reply.error(status) for status in (400, 408, 409, 500, 502, 503, 504, 529)},
        "error_429": Reply.error(429, retry_after=1),
        "html_502": Reply.html(502),
        "reset": Reply.reset(),
        "close": Reply.close(),
        "hang": Reply.hang(3600.0),
        "drip_headers": Reply.drip(20.0, where="headers"),
        "drip_body": Reply.drip(20.0, where="body"),
        "truncate": Reply.truncated(),
        "truncate_headers": Reply.truncated(where="headers"),
        "half_json": Reply.half_json(),
        "not_utf8": Reply.not_utf8(),
        "empty_choices": Reply.empty_choices(),
        "close_idle": Reply.close_idle(),
        "close_stale": Reply.close_idle(when="next_request"),
    }
)
"""Every fault by its name. A drip sends 20 bytes a second; `error_429` asks for one second of patience."""


class Faults:
    """Chances of faults, at most one for each request. Stateless, so any thread may draw."""

    def __init__(self, chances: Mapping[str, float]) -> None:
        unknown = sorted(set(chances) - set(FAULTS))
        if unknown:
            raise ConfigError(f"unknown faults {unknown}; known are {sorted(FAULTS)}")
        if any(chance < 0 for chance in chances.values()) or sum(chances.values()) > 1 + 1e-9:
            raise ConfigError(f"faults={dict(chances)} must be chances of 0 or more with a sum of at most 1")
        self._chances = tuple(chances.items())

    def draw(self, rng: random.Random) -> Reply | None:
        """A fault, or None for an undisturbed request."""
        point = rng.random()
        for name, chance in self._chances:
            if point < chance:
                return FAULTS[name]
            point -= chance
        return None

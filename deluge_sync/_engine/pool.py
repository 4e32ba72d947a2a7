"""The models a client may ask, and the choice among them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deluge_sync._adapters.call import Adapter
    from deluge_sync._engine.job import Run
    from deluge_sync._engine.limiter import LeakyBucketLimiter
    from deluge_sync._secret import Secret
    from deluge_sync.config import SamplingParams
    from deluge_sync.models import Model

__all__ = ["Pool", "Route"]


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One way to an answer: a model, how it is asked, the key it is asked with and the limiter that key shares."""

    model: Model
    params: SamplingParams
    adapter: Adapter
    base_url: str
    api_key: Secret | None
    limiter: LeakyBucketLimiter

    @property
    def key_id(self) -> tuple[str, Secret | None]:
        """Equal for routes that use the same key at the same place."""
        return (self.base_url, self.api_key)


class Pool:
    """Routes and their weights. Unchangeable, so any thread may choose."""

    def __init__(
        self, routes: Sequence[Route], weights: Sequence[float], *, chance: random.Random | None = None
    ) -> None:
        self.routes = tuple(routes)
        self._weights = tuple(weights)
        self._chance = chance or random.Random()

    def choose(self, run: Run, *, avoid: Route | None = None) -> Route:
        """A route by weight: not a stopped one and not `avoid`, as long as there is another."""
        if len(self.routes) == 1:
            return self.routes[0]
        usable = [place for place, route in enumerate(self.routes) if run.why_stopped(route) is None]
        others = [place for place in usable if self.routes[place] is not avoid]
        places = others or usable or range(len(self.routes))
        weights = [self._weights[place] for place in places]
        if not any(weights):
            return self.routes[places[0]]
        return self.routes[self._chance.choices(places, weights)[0]]

    def has_other(self, run: Run, route: Route) -> bool:
        """Whether anything but `route` could still be asked."""
        return any(other is not route and run.why_stopped(other) is None for other in self.routes)

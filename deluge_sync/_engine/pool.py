"""The models a client may ask, and the choice among them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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

    def choose(self, run: Run, *, prefer: str | None = None) -> Route:
        """A route for a new prompt, drawn by weight from those that are not stopped. `prefer` names a model to take."""
        if len(self.routes) == 1:
            return self.routes[0]
        places = self._usable(run)
        preferred = [place for place in places if prefer is not None and prefer == self.routes[place].model.id]
        if preferred:
            return self.routes[preferred[0]]
        places = places or list(range(len(self.routes)))
        weights = [self._weights[place] for place in places]
        if not any(weights):
            return self.routes[places[0]]
        return self.routes[self._chance.choices(places, weights)[0]]

    def fall_back(self, run: Run, route: Route, useless: Collection[Route] = ()) -> Route:
        """The route to try after `route`: the one of most weight that may help. `route` itself, if there is no other.

        useless: the routes that have failed this prompt in a way that asking them again would not mend.
        """
        places = [
            place
            for place in self._usable(run)
            if self.routes[place] is not route and self.routes[place] not in useless
        ]
        return self.routes[max(places, key=self._weights.__getitem__)] if places else route

    def _usable(self, run: Run) -> list[int]:
        return [place for place, route in enumerate(self.routes) if run.why_stopped(route) is None]

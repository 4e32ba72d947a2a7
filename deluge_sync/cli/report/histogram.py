"""How long answers took, in 800 counters: a million latencies cost no more memory than ten. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

__all__ = ["Histogram"]

_PER_DECADE = 100  # bins are 2.3 % wide, so that a quantile is right to about 1 %
_LEAST_S = 0.001
_DECADES = 8


class Histogram:
    """Counts of positive numbers from 0.001 to 100,000 in bins of equal ratio; what is beyond falls into the last."""

    def __init__(self) -> None:
        self._bins = [0] * (_PER_DECADE * _DECADES)
        self.total = 0
        self.most = 0.0

    def add(self, value: float) -> None:
        """Count one."""
        place = int(math.log10(value / _LEAST_S) * _PER_DECADE) if value > _LEAST_S else 0
        self._bins[min(place, len(self._bins) - 1)] += 1
        self.total += 1
        self.most = max(self.most, value)

    def quantile(self, share: float) -> float | None:
        """The value that `share` of the numbers do not exceed, to about 1 %; None without any."""
        if not self.total:
            return None
        sums = list(accumulate(self._bins))
        rank = max(1, math.ceil(share * self.total))
        place = bisect_left(sums, rank)
        inside = (rank - (sums[place] - self._bins[place]) - 0.5) / self._bins[place]
        return min(_edge(place + inside), self.most)

    def bars(self, per_decade: int) -> list[tuple[float, float, int]]:
        """(from, to, count) in wider bins, from the first that holds any to the last. `per_decade` divides 100."""
        width = _PER_DECADE // per_decade
        wide = [sum(self._bins[place : place + width]) for place in range(0, len(self._bins), width)]
        filled = [place for place, number in enumerate(wide) if number]
        if not filled:
            return []
        return [
            (_edge(place * width), _edge((place + 1) * width), wide[place])
            for place in range(filled[0], filled[-1] + 1)
        ]


def _edge(place: float) -> float:
    return float(_LEAST_S * 10 ** (place / _PER_DECADE))

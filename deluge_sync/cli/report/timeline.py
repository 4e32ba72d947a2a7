"""What was sent when, in a bounded number of slots: whenever there are too many, they become twice as wide. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Slot", "Stretch", "Timeline"]

_MOST_SLOTS = 2_048
_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)


@dataclass(slots=True)
class Slot:
    """Sums of one slot."""

    requests: float = 0.0
    tokens: float = 0.0
    failed: float = 0.0

    def add(self, other: Slot) -> None:
        self.requests += other.requests
        self.tokens += other.tokens
        self.failed += other.failed


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which something was sent without a long pause. Slot number i begins at begin_s + i * width_s."""

    begin_s: int
    width_s: int
    slots: list[Slot] = field(default_factory=list)

    @property
    def end_s(self) -> int:
        return self.begin_s + self.width_s * len(self.slots)


class Timeline:
    """Takes events in any order, with their time in seconds since 1970; empty slots cost nothing."""

    def __init__(self) -> None:
        self._slots: dict[int, Slot] = {}
        self._width_s = 1

    def add(self, instant: float, *, requests: float = 0.0, tokens: float = 0.0, failed: float = 0.0) -> None:
        """Count what happened at `instant`."""
        slot = self._slots.setdefault(int(instant // self._width_s), Slot())
        slot.add(Slot(requests, tokens, failed))
        if len(self._slots) > _MOST_SLOTS:
            self._widen()

    def stretches(self, *, most_slots: int, pause_s: float = 900.0) -> list[Stretch]:
        """All that was counted, in about `most_slots` slots at most; pauses longer than `pause_s` part stretches."""
        if not self._slots:
            return []
        groups = self._groups(pause_s)
        covered_s = sum((group[-1] - group[0] + 1) * self._width_s for group in groups)
        width_s = next((width for width in _WIDTHS_S if covered_s <= width * most_slots), _WIDTHS_S[-1])
        return [self._stretch(group, max(width_s, self._width_s)) for group in groups]

    def _widen(self) -> None:
        narrow, self._slots = self._slots, {}
        self._width_s *= 2
        for place, slot in narrow.items():
            self._slots.setdefault(place // 2, Slot()).add(slot)

    def _groups(self, pause_s: float) -> list[list[int]]:
        groups: list[list[int]] = []
        for place in sorted(self._slots):
            if groups and (place - groups[-1][-1]) * self._width_s <= pause_s:
                groups[-1].append(place)
            else:
                groups.append([place])
        return groups

    def _stretch(self, group: list[int], width_s: int) -> Stretch:
        begin_s = group[0] * self._width_s // width_s * width_s
        last = (group[-1] * self._width_s - begin_s) // width_s
        slots = [Slot() for _ in range(last + 1)]
        for place in group:
            slots[(place * self._width_s - begin_s) // width_s].add(self._slots[place])
        return Stretch(begin_s, width_s, slots)

"""What `extract` gives: values in the inputs' order, why some are missing, and what it cost. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    from deluge_sync.response import APIResponse, Usage

__all__ = ["Extracted"]

T = TypeVar("T")


class Extracted(Sequence["T | None"], Generic[T]):
    """One value for each input, in the inputs' order; None where there is none. Not to be changed.

    Attributes:
        errors: why there is none, by the input's position, in one line.
        responses: the last answer to each input, with its text, its prompt and its error.
        usage: of all requests, those that asked again included; None where a provider told none.
        cost: US dollars for them; None where a price is unknown.
    """

    def __init__(
        self,
        values: Sequence[T | None],
        *,
        errors: Mapping[int, str],
        responses: Sequence[APIResponse],
        usage: Usage | None,
        cost: float | None,
    ) -> None:
        self._values = list(values)
        self.errors = dict(errors)
        self.responses = list(responses)
        self.usage = usage
        self.cost = cost

    @overload
    def __getitem__(self, place: int) -> T | None: ...
    @overload
    def __getitem__(self, place: slice) -> list[T | None]: ...
    def __getitem__(self, place: int | slice) -> T | list[T | None] | None:
        return self._values[place]

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Extracted from {len(self)} inputs: {len(self) - len(self.errors)} values, {len(self.errors)} failed>"

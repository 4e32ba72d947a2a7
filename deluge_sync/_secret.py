"""A string that cannot be shown by accident. API keys travel as this from the environment to the socket."""

from __future__ import annotations

from typing import Never

__all__ = ["Secret"]


class Secret:
    """Holds one API key. Printing, formatting and logging it show `***`; pickling and copying it are refused.

    Only `reveal()` gives the text. Adapters call it to put a scheme before it, in a new `Secret`; `_http` calls it
    when the request leaves.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The key itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("a Secret cannot be pickled or copied")

"""A string that cannot be shown by accident. API keys travel as this from the environment to the socket."""

from __future__ import annotations

from typing import Never

__all__ = ["Secret"]

_LEAST_CHARS = 8
"""A shorter key is a stand-in, such as `k` or `none`; hiding it would make every message unreadable."""


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

    def hide_in(self, text: str) -> str:
        """`text` with `***` where the key stands in it, plain or with the slashes escaped as some write JSON.

        Of a key with a scheme before it (`Bearer ...`) it is the key that is hidden.
        """
        key = self._text.rpartition(" ")[2]
        if len(key) < _LEAST_CHARS:
            return text
        return text.replace(key, "***").replace(key.replace("/", "\\/"), "***")

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

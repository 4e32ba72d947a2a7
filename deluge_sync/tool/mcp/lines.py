"""Cuts what a server writes on its output into lines, and finds the messages among them. Pure.

Servers also print banners, logs and progress bars there. What is no message is passed over, also before a message in
the same line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mcp_types import jsonrpc_message_adapter

if TYPE_CHECKING:
    from mcp_types import JSONRPCMessage

__all__ = ["LONGEST_BYTES", "LineCutter", "find_message"]

LONGEST_BYTES: Final = 256 << 20
"""A longer line is no message, but a server that has lost its way."""
_START: Final = b'{"'


class LineCutter:
    """Feeds on chunks, gives whole lines. A line of megabytes comes in many chunks, so none is looked at twice."""

    def __init__(self, longest_bytes: int = LONGEST_BYTES) -> None:
        self._longest_bytes = longest_bytes
        self._begun: list[bytes] = []
        self._begun_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that end in this chunk.

        Raises:
            ValueError: a line is too long.
        """
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join([*self._begun, line])
            self._begun, self._begun_bytes = [], 0
        if rest:
            self._begun.append(rest)
            self._begun_bytes += len(rest)
        if self._begun_bytes > self._longest_bytes:
            raise ValueError(f"a line of more than {self._longest_bytes:,} bytes")


def find_message(line: bytes) -> JSONRPCMessage | None:
    """The message in a line, or None."""
    start = line.find(_START)
    while start >= 0:
        try:
            return jsonrpc_message_adapter.validate_json(line[start:], by_name=False)
        except ValueError:
            start = line.find(_START + b"jsonrpc", start + 1)
    return None

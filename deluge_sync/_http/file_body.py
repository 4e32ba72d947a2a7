"""A request body that is a file: sent from the disk a piece at a time, however large it is.

It is opened for each time the request leaves, which may be twice. Whoever builds the request puts its length into a
`Content-Length` header. Read by `transport`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["FileBody"]

_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class FileBody:
    """`head`, the content of the file at `path`, `tail`. Its length is that of the file when it is asked for.

    joined: the file has lines, each ended by a line feed; they are sent with commas between them, as the elements of a
    JSON list. No line feed may stand inside a line, which JSON never needs.
    """

    path: Path
    head: bytes = b""
    tail: bytes = b""
    joined: bool = False

    def __len__(self) -> int:
        size = self.path.stat().st_size
        return len(self.head) + size - (1 if self.joined and size else 0) + len(self.tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces.

        Raises:
            OSError: the file cannot be read.
        """
        yield self.head
        with self.path.open("rb") as file:
            yield from _joined(file) if self.joined else _blocks(file)
        yield self.tail


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block


def _joined(file: BinaryIO) -> Iterator[bytes]:
    """The last line feed is left out, the others become commas."""
    held = b""
    for block in _blocks(file):
        text = held + block
        held = b"\n" if text.endswith(b"\n") else b""
        yield text.removesuffix(b"\n").replace(b"\n", b",")

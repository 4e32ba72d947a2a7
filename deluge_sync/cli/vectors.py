"""Where the vectors of `embed` go: JSON lines, or the .npy format of numpy, which needs no numpy to write.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html (read 2026-11), version 1.0.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from deluge_sync.cli.exits import BadInputError, ResultsError
from deluge_sync.cli.prompts import Prompt

__all__ = ["Vectors", "check_vectors", "open_vectors"]

_STDOUT: Final = "-"
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER_BYTES: Final = 128  # with the magic and the length before it; a multiple of 64


class Vectors(Protocol):
    """Takes vectors in the texts' order, from one thread; None with an error for a text that failed.

    Raises:
        ResultsError, BrokenPipeError: from `write` and `close`; what was written before is there.
    """

    def write(self, text: Prompt, vector: Sequence[float] | None, error: Mapping[str, str] | None) -> None: ...
    def close(self) -> None: ...


def check_vectors(name: str, *, force: bool) -> None:
    """Nothing is there that `open_vectors` would replace, unless that is wanted; and there can be something.

    Raises:
        BadInputError: it is no place for vectors.
    """
    path = Path(name)
    if name == _STDOUT:
        return
    if path.is_dir() or not path.parent.is_dir():
        raise BadInputError(f"cannot open {name}: {'it is a directory' if path.is_dir() else 'no such directory'}")
    if path.exists() and path.stat().st_size and not force:
        raise BadInputError(f"{name} is there already; choose another -o, or --force to replace it")


def open_vectors(name: str, total: int) -> Vectors:
    """A place for `total` vectors: standard output for `-`, an array for a name that ends in .npy.

    Raises:
        BadInputError: it cannot be opened.
    """
    if name == _STDOUT:
        return _Lines(sys.stdout.buffer, "standard output")
    path = Path(name)
    try:
        file = path.open("wb")
    except OSError as error:
        raise BadInputError(f"cannot open {name}: {error.strerror}") from error
    return _Array(file, name, total) if path.suffix.lower() == ".npy" else _Lines(file, name)


class _Lines:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name

    def write(self, text: Prompt, vector: Sequence[float] | None, error: Mapping[str, str] | None) -> None:
        values = None if vector is None else [float(f"{value:.9g}") for value in vector]  # all that 32 bits hold
        row = {"index": text.index, "id": text.id, "embedding": values, "error": error}
        _put(self._file, json.dumps(row).encode() + b"\n", self._name)

    def close(self) -> None:
        _end(self._file, self._name)


class _Array:
    """The header tells the number of rows, so one for what is there is written at the end."""

    def __init__(self, file: BinaryIO, name: str, total: int) -> None:
        self._file = file
        self._name = name
        self._total = total
        self._rows = 0
        self._missing = 0  # failed texts before the first vector: as long as the first one will be
        self._width = 0

    def write(self, text: Prompt, vector: Sequence[float] | None, error: Mapping[str, str] | None) -> None:  # noqa: ARG002
        if vector is not None and not self._width:
            self._width = len(vector)
            _put(self._file, _header(self._total, self._width) + self._nothing() * self._missing, self._name)
        self._rows += 1
        if not self._width:
            self._missing += 1
        else:
            _put(self._file, self._nothing() if vector is None else _as_bytes(vector), self._name)

    def close(self) -> None:
        try:
            if self._rows != self._total or not self._width:
                with _telling(self._name):
                    self._file.seek(0)
                    self._file.write(_header(self._rows, self._width))
        finally:
            _end(self._file, self._name)

    def _nothing(self) -> bytes:
        return _as_bytes([float("nan")] * self._width)


def _header(rows: int, width: int) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    room = _HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + room.to_bytes(2, "little") + text.ljust(room - 1).encode("ascii") + b"\n"


def _as_bytes(vector: Sequence[float]) -> bytes:
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _put(file: BinaryIO, data: bytes, name: str) -> None:
    with _telling(name):
        file.write(data)


def _end(file: BinaryIO, name: str) -> None:
    """Everything is written, or it is told; a file is closed in any case."""
    with _telling(name):
        if file is sys.stdout.buffer:
            file.flush()
            return
        file.close()


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResultsError(f"cannot write {name}: {error.strerror}") from error

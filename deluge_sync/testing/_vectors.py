"""A vector of floats in the number types that providers offer. Neutral about wire formats."""

from __future__ import annotations

import base64
from array import array
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["as_base64", "as_numbers"]


def as_numbers(vector: Sequence[float], kind: str) -> list[Any]:
    """The vector as `kind`: float, int8, uint8, or eight dimensions in each byte as binary or ubinary."""
    return _NUMBERS[kind](vector)


def as_base64(vector: Sequence[float], kind: str = "float") -> str:
    """The same as little-endian numbers of 32 bits (float) or 8."""
    data = array(_CODES[kind], as_numbers(vector, kind))
    if (1).to_bytes(2, "little") != array("H", [1]).tobytes():
        data.byteswap()
    return base64.b64encode(data.tobytes()).decode()


def _bytes_of_bits(vector: Sequence[float]) -> list[int]:
    """Of eight dimensions each: 1 where a number is above 0, the first in the highest bit."""
    bits = [number > 0 for number in vector]
    return [
        sum(bit << (7 - place) for place, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8)
    ]


_NUMBERS: Mapping[str, Callable[[Sequence[float]], list[Any]]] = MappingProxyType(
    {
        "float": list,
        "int8": lambda vector: [round(number * 127) for number in vector],
        "uint8": lambda vector: [round(number * 127) + 128 for number in vector],
        "binary": lambda vector: [byte - 128 for byte in _bytes_of_bits(vector)],
        "ubinary": _bytes_of_bits,
    }
)
_CODES = MappingProxyType({"float": "f", "int8": "b", "uint8": "B", "binary": "b", "ubinary": "B"})

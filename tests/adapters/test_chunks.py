"""Where the pieces of streamed tool calls belong. Whole streams are in `test_contract`."""

from __future__ import annotations

from typing import Any

import pytest

from deluge_sync._adapters.chunks import CallsSoFar

# (index, id, type, name, arguments), and the calls that the pieces make
Piece = tuple[int | None, str | None, str | None, str | None, str]
STREAMS: dict[str, tuple[list[Piece], list[tuple[str, str, str]]]] = {
    "in turns": (
        [
            (0, "a", "function", "f", ""),
            (1, "b", "function", "g", "{"),
            (0, None, None, None, "{}"),
            (1, None, None, None, "}"),
        ],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "without an index": (
        [(None, "a", None, "f", "{"), (None, None, None, None, "}"), (None, "b", None, "g", "{}")],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "all with the same index": (
        [(0, "a", None, "f", "{}"), (0, "b", None, "g", "{"), (0, None, None, None, "}")],
        [("a", "f", "{}"), ("b", "g", "{}")],
    ),
    "a new id with every piece": (
        [(0, "a", None, "f", "{"), (0, "b", None, None, "}"), (1, "c", None, "g", "{}")],
        [("a", "f", "{}"), ("c", "g", "{}")],
    ),
    "the same id and name with every piece": ([(0, "a", None, "f", "{"), (0, "a", None, "f", "}")], [("a", "f", "{}")]),
    "from a high index": ([(3, "a", None, "f", "{}"), (7, "b", None, "g", "{}")], [("a", "f", "{}"), ("b", "g", "{}")]),
    "without an id": (
        [(0, None, None, "f", "{}"), (1, None, None, "g", "{}")],
        [("call_0", "f", "{}"), ("call_1", "g", "{}")],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_piece_goes_where_it_belongs(name: str) -> None:
    pieces, expected = STREAMS[name]
    so_far = CallsSoFar()
    deltas = [so_far.add(*piece) for piece in pieces]
    assert [called(call) for call in so_far.documents()] == expected
    for place, (call_id, tool, arguments) in enumerate(expected):
        own = [delta for delta in deltas if delta.index == place]
        assert [delta.id for delta in own if delta.id is not None] == [call_id]
        assert [delta.name for delta in own if delta.name is not None] == [tool]
        assert "".join(delta.arguments for delta in own) == arguments


def called(document: dict[str, Any]) -> tuple[str, str, str]:
    assert document["type"] == "function"
    return document["id"], document["function"]["name"], document["function"]["arguments"]

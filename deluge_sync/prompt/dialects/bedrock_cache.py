"""What of a request Bedrock shall cache: the patterns of `anthropic_cache`, as `cachePoint` blocks.

Where Anthropic marks a block, Converse has a block of its own behind it. So the points of a request are turned into
marks, the marks are set as they are for Anthropic, with its limit of four and its order of lives, and turned back.
"automatic", which is one mark for the whole request, is a point behind everything.

Which parts of a request a model can cache is the maker's business; the adapter knows it and calls this.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from deluge_sync.prompt.dialects.anthropic_cache import with_cache_marks

__all__ = ["with_cache_points"]

Block = dict[str, Any]

_MARK: Final = "cache_control"
_POINT: Final = "cachePoint"


def with_cache_points(request: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    """The request (of which `tools`, `system`, `messages` are read, any may be missing) with the pattern's points.

    Raises:
        ConfigError: there is no such pattern, or the prompt itself has more points than the provider takes.
    """
    marked = with_cache_marks(_with_marks(request), pattern)
    whole = marked.pop(_MARK, None)
    written = {name: _with_points(value) for name, value in marked.items() if name != "messages"}
    if "messages" in marked:
        written["messages"] = [{**turn, "content": _with_points(turn["content"])} for turn in marked["messages"]]
        if whole is not None and written["messages"]:
            written["messages"][-1]["content"].append(_point_of(whole))
    return written


def _with_marks(request: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {
        name: _marked(blocks) for name, blocks in request.items() if name != "messages" and blocks
    }
    if "messages" in request:
        written["messages"] = [{**turn, "content": _marked(turn["content"])} for turn in request["messages"]]
    return written


def _marked(blocks: Iterable[Mapping[str, Any]]) -> list[Block]:
    """The blocks, each with the point that stands behind it as its mark. A point behind nothing says nothing."""
    written: list[Block] = []
    for block in blocks:
        if _POINT not in block:
            written.append(dict(block))
        elif written:
            ttl = block[_POINT].get("ttl")
            written[-1][_MARK] = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return written


def _with_points(blocks: Iterable[Block]) -> list[Block]:
    return [written for block in blocks for written in _opened(block)]


def _opened(block: Block) -> Iterator[Block]:
    yield {name: value for name, value in block.items() if name != _MARK}
    if _MARK in block:
        yield _point_of(block[_MARK])


def _point_of(mark: Mapping[str, Any]) -> Block:
    return {_POINT: {"type": "default"} | ({"ttl": mark["ttl"]} if mark.get("ttl") else {})}

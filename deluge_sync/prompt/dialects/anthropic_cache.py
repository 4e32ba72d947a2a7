"""Which blocks of a request Anthropic shall cache: the patterns a user names, as `cache_control` marks.

A mark is put on the last block of what is to be cached. The provider takes four at most, and those kept for an hour
before those kept for five minutes. Marks that stand in the prompt already are kept; a pattern uses what is left. The
adapter and `Conversation.to_anthropic` call it.

Sources: the official package `anthropic` 2.12, `types.CacheControlEphemeralParam` and the `cache_control` of a request;
https://platform.claude.com/docs/en/build-with-claude/prompt-caching for the order of lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from deluge_sync.errors import ConfigError

__all__ = ["CACHE_PATTERNS", "MOST_MARKS", "with_cache_marks"]

Block = dict[str, Any]
Request = dict[str, Any]

MOST_MARKS: Final = 4
_LIVES: Final = ("5m", "1h")
_UNMARKED: Final = ("thinking", "redacted_thinking")


def with_cache_marks(request: Mapping[str, Any], pattern: str) -> Request:
    """A copy of the request (of which `tools`, `system`, `messages` are read, any may be missing) with the marks.

    pattern: one of `CACHE_PATTERNS`; its end says how long the provider keeps what it caches, five minutes unless it
    is ":1h". "automatic" leaves the choice to the provider: one mark at the top of the request.

    Raises:
        ConfigError: there is no such pattern, or the prompt itself has more marks than the provider takes.
    """
    if pattern not in CACHE_PATTERNS:
        raise ConfigError(f"unknown cache pattern {pattern!r:.80}; known are {', '.join(CACHE_PATTERNS)}")
    name, _, life = pattern.partition(":")
    written = _opened(request)
    free = MOST_MARKS - len(list(_marked(written)))
    if free < 0:
        raise ConfigError(f"the prompt has more than {MOST_MARKS} cache_control marks, which Anthropic refuses")
    if name == "automatic":
        chosen = [written] if free and not written.get("cache_control") else []
    else:
        unmarked = (block for block in _PLACES[name](written) if not block.get("cache_control"))
        chosen = list(islice(unmarked, free))
    _mark(written, chosen, life or "5m")
    return _closed(written)


# --- which blocks a pattern means, the one worth most first


def _tools(request: Request) -> Iterator[Block]:
    yield from request.get("tools", [])[-1:]


def _system_and_tools(request: Request) -> Iterator[Block]:
    yield from request.get("system", [])[-1:]
    yield from _tools(request)


def _last_user_messages(count: int) -> Callable[[Request], Iterator[Block]]:
    def places(request: Request) -> Iterator[Block]:
        said = [message["content"] for message in request.get("messages", []) if message["role"] == "user"]
        for content in reversed(said[-count:]):
            yield from [block for block in content if block.get("type") not in _UNMARKED][-1:]

    return places


_PLACES: Final[Mapping[str, Callable[[Request], Iterator[Block]]]] = {
    "system_and_tools": _system_and_tools,
    "tools_only": _tools,
    "last_user_message": _last_user_messages(1),
    "last_2_user_messages": _last_user_messages(2),
    "last_3_user_messages": _last_user_messages(3),
}
_NAMES: Final = (*_PLACES, "automatic")
CACHE_PATTERNS: Final[tuple[str, ...]] = (*_NAMES, *(f"{name}:{life}" for name in _NAMES for life in _LIVES))
"""What a user may name."""


# --- marking


def _mark(request: Request, chosen: list[Block], life: str) -> None:
    """Mark the chosen blocks, so that no five minutes stand before an hour.

    A mark before an hour of the prompt's own lives an hour, and one behind its five minutes lives five minutes.
    """
    places = [block for block in _blocks(request) if block.get("cache_control") or _is_in(block, chosen)]
    own = [(block.get("cache_control") or {}).get("ttl", "5m") if not _is_in(block, chosen) else "" for block in places]
    for place, block in enumerate(places):
        if _is_in(block, chosen):
            lives_long = "1h" in own[place:] or (life == "1h" and "5m" not in own[:place])
            block["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if lives_long else {})


def _marked(request: Request) -> Iterator[Block]:
    return (block for block in _blocks(request) if block.get("cache_control"))


def _blocks(request: Request) -> Iterator[Block]:
    """Everything that can carry a mark, in the order in which the provider reads it; the request itself is the end."""
    yield from request.get("tools", [])
    yield from request.get("system", [])
    for message in request.get("messages", []):
        for block in message["content"]:
            if isinstance(block.get("content"), list):
                yield from (inner for inner in block["content"] if isinstance(inner, dict))
            yield block
    yield request


def _is_in(block: Block, chosen: list[Block]) -> bool:
    return any(block is other for other in chosen)


# --- a text as a block, which can be marked, and back


def _opened(request: Mapping[str, Any]) -> Request:
    """A copy whose tools and outer blocks can be marked without changing those of the caller."""
    written = {name: value for name, value in request.items() if value is not None}
    for name in written.keys() & {"tools", "system"}:
        written[name] = _as_blocks(written[name])
    if "messages" in written:
        written["messages"] = [
            {**message, "content": _as_blocks(message["content"])} for message in written["messages"]
        ]
    return written


def _closed(request: Request) -> Request:
    if "system" in request:
        request["system"] = _as_text(request["system"])
    for message in request.get("messages", []):
        message["content"] = _as_text(message["content"])
    return request


def _as_blocks(content: Any) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else [dict(block) for block in content]


def _as_text(blocks: list[Block]) -> str | list[Block]:
    """A single text without a mark as the plain text again."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks

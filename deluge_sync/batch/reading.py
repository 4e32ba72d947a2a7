"""What all backends do when they read a result line. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deluge_sync.errors import ReplyFormatError

__all__ = ["body_bytes", "text_field"]


def text_field(line: Mapping[str, Any], name: str) -> str:
    """A field that has to be a text.

    Raises:
        ReplyFormatError: it is none.
    """
    value = line.get(name)
    if not isinstance(value, str):
        raise ReplyFormatError(f"a result line has no {name}: {value!r:.80}")
    return value


def body_bytes(body: Any) -> bytes:
    """A JSON value as the body of a reply; nothing for None. Half a surrogate pair in it stays as it is escaped."""
    return b"" if body is None else json.dumps(body).encode()

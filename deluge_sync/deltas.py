"""What a streamed answer brings piece by piece: plain values, the same for every provider.

Text comes as a plain `str`. `LLMClient.stream_chat` yields these and ends with the `APIResponse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["StreamEvent", "ThinkingDelta", "ToolCallDelta"]


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call. `index` counts the answer's calls from 0; several may grow in turns.

    `id` and `name` come with the first piece of a call and are None from then on. The `arguments` of all pieces in a
    row are the JSON text.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


StreamEvent: TypeAlias = str | ThinkingDelta | ToolCallDelta

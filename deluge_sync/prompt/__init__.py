"""What is said to a model and by it: conversations, messages, parts, and the formats they are written in.

Plain data that imports neither pydantic nor anything of the network. Users build these; the engine carries them; the
adapters write them through a dialect.
"""

from __future__ import annotations

from deluge_sync.prompt.conversation import Conversation, Prompt, is_message_list, to_conversation
from deluge_sync.prompt.message import Message, Role
from deluge_sync.prompt.parts import File, Image, Part, ProviderPart, Refusal, Text, Thinking, ToolCall, ToolResult
from deluge_sync.prompt.tokens import estimate_text_tokens

__all__ = [
    "Conversation",
    "File",
    "Image",
    "Message",
    "Part",
    "Prompt",
    "ProviderPart",
    "Refusal",
    "Role",
    "Text",
    "Thinking",
    "ToolCall",
    "ToolResult",
    "estimate_text_tokens",
    "is_message_list",
    "to_conversation",
]

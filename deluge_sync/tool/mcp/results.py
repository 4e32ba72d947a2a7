"""What an MCP tool gave, as a tool of ours gives it: text, or a row of parts, so that a model sees the images. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from deluge_sync.errors import ConfigError, MCPToolError
from deluge_sync.prompt.parts import File, Image, Part, Text, compact_json

if TYPE_CHECKING:
    import mcp_types

__all__ = ["read_result"]

_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_FILES: Final = frozenset({"application/pdf"})
_UNSAID: Final = "the tool failed and did not say why"


def read_result(server_name: str, tool_name: str, result: mcp_types.CallToolResult) -> str | list[Part]:
    """Text where there is only text, else parts: images and PDF files as such, a note for what no model can be shown.

    Structured content is taken where nothing else was said; it is meant to be the same in another form.

    Raises:
        MCPToolError: the server says that the call failed.
    """
    parts = [_part(block.model_dump(mode="json", by_alias=True, exclude_none=True)) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [Text(compact_json(result.structured_content, what="the result"))]
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    if result.is_error:
        raise MCPToolError(server_name, tool_name, text or _UNSAID, parts or [Text(_UNSAID)])
    return text if all(isinstance(part, Text) for part in parts) else list(parts)


def _part(block: Mapping[str, Any]) -> Part:
    kind = block["type"]
    if kind == "text":
        return Text(block["text"])
    if kind == "resource":
        return _resource(block["resource"])
    if kind == "resource_link":
        said = [block.get("title") or block.get("name"), block.get("description"), block["uri"]]
        return Text("\n".join(str(line) for line in said if line))
    return _media(block.get("data", ""), str(block.get("mimeType", "")), what=kind)


def _resource(resource: Mapping[str, Any]) -> Part:
    if "text" in resource:
        return Text(resource["text"])
    return _media(resource.get("blob", ""), str(resource.get("mimeType", "")), what=f"resource {resource.get('uri')}")


def _media(data: str, media_type: str, *, what: str) -> Part:
    kind = media_type.partition(";")[0].strip().lower()
    try:
        content = base64.b64decode(data)
        if kind in _IMAGES:
            return Image(content, media_type=kind)
        if kind in _FILES:
            return File(content, media_type=kind)
    except (binascii.Error, ValueError, ConfigError):
        return Text(f"[{what}: {media_type or 'of unknown type'}, cannot be read]")
    return Text(f"[{what}: {media_type or 'of unknown type'}, {len(content):,} bytes, not shown]")

"""Images that a file of prompts names in one of its columns (--images). `prompts` checks and `run` sends them.

A cell holds one path, http(s) URL or data URL, or a JSON array of them; an empty cell is a prompt without an image. A
path on this machine is refused unless local files are allowed: whoever wrote the prompts would have your files sent.
Nothing is read here: a picture is read when its request is built.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, Image

__all__ = ["add_images", "images_in", "is_address"]

_ADDRESSES = ("http://", "https://", "data:")
_CURE = "a local image is sent only with --allow-local-files"


def images_in(cell: Any, *, allow_local_files: bool) -> tuple[str, ...]:
    """What the cell names, in its order.

    Raises:
        ValueError: it names something that cannot be sent; the message says what.
    """
    named = _listed(cell)
    for name in named:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"an image is a path or a URL, not {name!r:.80}")
        _check(name, allow_local_files=allow_local_files)
    return tuple(named)


def add_images(conversation: Conversation, images: tuple[str, ...]) -> None:
    """Put the images behind the text of the last user message."""
    if not images:
        return
    message = next((one for one in reversed(conversation.messages) if one.role == "user"), None)
    if message is None:
        raise ConfigError("no user message that the image could belong to")
    for name in images:
        message.with_image(_image(name))


def is_address(name: str) -> bool:
    """An http(s) or data URL, and no path."""
    return name.lower().startswith(_ADDRESSES)


def _image(name: str) -> Image:
    return Image(name if is_address(name) else Path(name))


def _listed(cell: Any) -> list[Any]:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return []
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError as error:
            raise ValueError(f"an image list that is no JSON: {error}") from error
    return cell if isinstance(cell, list) else [cell]


def _check(name: str, *, allow_local_files: bool) -> None:
    if is_address(name):
        _image(name)  # a data URL that cannot be read is told now
        return
    if not allow_local_files:
        raise ValueError(f"{name!r:.200} is no http(s) or data URL; {_CURE}")
    if not Path(name).is_file():
        raise ValueError(f"image {name!r:.200}: no such file")

"""How many tokens an image or a document will have, by the rules that providers publish.

A forecast like that of text: it never fails. Where the size of an image is not known (at a URL, unreadable) a flat
number stands for it, and a document that is not here counts as one page. `tokens` calls it.

Sources (read 2026-11):
  OpenAI, "Images and vision": 85 for low detail; else 85 and 170 for each tile of 512 pixels, after the image was made
    to fit 2,048 x 2,048 and its shorter side 768. (Some small models count patches of 32 pixels instead.)
  Anthropic, "Vision": width x height / 750, after the longest side was made 1,568, which is at most about 1,600.
  Gemini, "Image understanding": 258 if both sides are up to 384 pixels, else 258 for each tile of 768.
  PDF pages: Gemini, "Document understanding": 258. Anthropic, "PDF support": 1,500 to 3,000 of text, and the page as an
    image; 1,500 each assumed. OpenAI, "File inputs": the page's text and an image of it; 600 and 765 assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.image_header import Size, fit

if TYPE_CHECKING:
    from deluge_sync.prompt.parts import File, Image

__all__ = ["MediaRule", "file_tokens", "image_tokens", "rule_of"]

_BYTES_PER_MEDIA_TOKEN: Final = 75  # sound and what else is no page and no text
_TEXT_TYPES: Final = ("text/", "application/json", "application/jsonl", "application/yaml")


@dataclass(frozen=True, slots=True)
class MediaRule:
    """One provider's way of counting: tokens of an image by its size and whether detail is low, and of a page."""

    image: Callable[[Size, bool], int]
    page: int


def rule_of(name: str) -> MediaRule:
    """The rule of an API (`openai`, `anthropic`, `gemini`); an API without one of its own counts as OpenAI."""
    return _RULES.get(name, _RULES["openai"])


def image_tokens(image: Image, rule: MediaRule, *, unknown: int) -> int:
    """The tokens of an image; `unknown` where its size cannot be told."""
    if not image.has_content:
        return unknown
    try:
        return rule.image(image.size, image.detail == "low")
    except ConfigError:  # the request will not be built either, and says why
        return unknown


def file_tokens(file: File, rule: MediaRule, *, count_text: Callable[[str], int]) -> int:
    """The tokens of a document: by pages, or those of its text; `count_text` counts that."""
    if not file.has_content:
        return rule.page
    try:
        pages, kind = file.pages, file.media_type or ""
        content = file.data if pages is None else b""
    except ConfigError:  # as above
        return rule.page
    if pages is not None:
        return pages * rule.page
    if kind.startswith(_TEXT_TYPES):
        return count_text(content.decode("utf-8", "replace"))
    return len(content) // _BYTES_PER_MEDIA_TOKEN


def _openai_image(size: Size, is_low: bool) -> int:
    if is_low:
        return 85
    width, height = fit(size, 2048)
    scale = min(1.0, 768 / min(width, height))
    return 85 + 170 * ceil(round(width * scale) / 512) * ceil(round(height * scale) / 512)


def _anthropic_image(size: Size, is_low: bool) -> int:  # noqa: ARG001  (it has no such choice)
    width, height = fit(size, 1568)
    return min(ceil(width * height / 750), 1600)


def _gemini_image(size: Size, is_low: bool) -> int:
    if is_low or max(size) <= 384:
        return 258
    return 258 * ceil(size[0] / 768) * ceil(size[1] / 768)


_RULES: Final = {
    "openai": MediaRule(_openai_image, 600 + 765),
    "anthropic": MediaRule(_anthropic_image, 1500 + 1500),
    "gemini": MediaRule(_gemini_image, 258),
}

from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import File, Image

GIF = "data:image/gif;base64,R0lGODlh"
PDF = "data:application/pdf;base64,JVBERi0xLjc="


@pytest.mark.parametrize(
    ("method", "image", "file"),
    [
        (
            "oa_chat",
            {"type": "image_url", "image_url": {"url": GIF}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        ),
        (
            "oa_resp",
            {"type": "input_image", "detail": "auto", "image_url": GIF},
            {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
        ),
        (
            "anthropic",
            {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
                "title": "a.pdf",
            },
        ),
        (
            "gemini",
            {"inlineData": {"mimeType": "image/gif", "data": "R0lGODlh"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjc="}},
        ),
        (
            "mistral",
            {"type": "image_url", "image_url": GIF},
            {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
        ),
    ],
)
def test_each_format_writes_it_in_its_own_way(method: str, image: dict[str, Any], file: dict[str, Any]) -> None:
    assert getattr(Image(b"GIF89a"), method)() == image
    assert getattr(File(b"%PDF-1.7", filename="a.pdf"), method)() == file
    with pytest.raises(ConfigError, match=r"/nowhere/x' cannot be read"):
        getattr(Image("/nowhere/x"), method)()

"""Expected values are worked examples of the providers' pages, or the rule written out beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deluge_sync.prompt import File, Image
from deluge_sync.prompt.media_tokens import file_tokens, image_tokens, rule_of


@pytest.mark.parametrize(
    ("rule", "size", "detail", "tokens"),
    [
        ("openai", (1024, 1024), "high", 765),  # to 768 x 768: 4 tiles; OpenAI's example
        ("openai", (2048, 4096), "high", 1105),  # to 1024 x 2048, to 768 x 1536: 6 tiles; OpenAI's example
        ("openai", (2048, 4096), "auto", 1105),
        ("openai", (4096, 8192), "low", 85),  # OpenAI's example
        ("openai", (512, 512), "auto", 85 + 170),
        ("openai", (513, 10), "auto", 85 + 2 * 170),
        ("openai", (4096, 600), "auto", 85 + 4 * 170),  # to 2048 x 300
        ("openai-responses", (512, 512), "auto", 85 + 170),
        ("mistral", (512, 512), "auto", 85 + 170),
        ("anthropic", (200, 200), "auto", 54),  # Anthropic's table: about 54, 1,334 and 1,590
        ("anthropic", (1000, 1000), "auto", 1334),
        ("anthropic", (1092, 1092), "low", 1590),
        ("anthropic", (8000, 6000), "auto", 1600),
        ("gemini", (384, 384), "auto", 258),
        ("gemini", (385, 100), "auto", 258),
        ("gemini", (960, 540), "auto", 2 * 258),
        ("gemini", (769, 1537), "auto", 2 * 3 * 258),
        ("gemini", (2000, 2000), "low", 258),
    ],
)
def test_an_image_counts_as_its_provider_says(
    picture: Callable[..., bytes], rule: str, size: tuple[int, int], detail: str, tokens: int
) -> None:
    image = Image(picture(size, mode="1"), detail=detail)  # type: ignore[arg-type]  # one of the three
    assert image_tokens(image, rule_of(rule), unknown=1) == tokens


def test_what_is_sent_smaller_counts_less(picture: Callable[..., bytes]) -> None:
    assert image_tokens(Image(picture((2048, 4096), mode="1"), max_size=512), rule_of("openai"), unknown=1) == 255


def test_a_document_counts_by_pages_or_by_its_text(tmp_path: Path) -> None:
    gemini = rule_of("gemini")
    pdf = File(b"%PDF-1.4 /Type /Page /Type /Page /Type /Page")
    assert file_tokens(pdf, gemini, count_text=len) == 3 * 258
    assert file_tokens(File("https://example.com/a.pdf"), gemini, count_text=len) == 258
    assert file_tokens(File(tmp_path / "missing.pdf"), gemini, count_text=len) == 258
    assert file_tokens(File(b"a,b,c", filename="a.csv"), gemini, count_text=len) == 5
    assert file_tokens(File(b"OggS" + b"\0" * 7496), gemini, count_text=len) == 100
    assert rule_of("anthropic").page > rule_of("openai").page > gemini.page

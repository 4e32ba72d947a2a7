"""The provider's tokenizer: a token is a run of four characters, the last one of a text may be shorter.

Crude on purpose. It is near what real tokenizers give for English, needs no vocabulary, and its tokens joined are the
text again, so that cutting, streaming and log-probabilities all agree with the counts.
"""

from __future__ import annotations

__all__ = ["CHARS_PER_TOKEN", "count_tokens", "cut_tokens", "likeliest_tokens", "split_tokens"]

CHARS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """How many tokens `text` has: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def split_tokens(text: str) -> list[str]:
    """The tokens of `text`, in order."""
    return [text[start : start + CHARS_PER_TOKEN] for start in range(0, len(text), CHARS_PER_TOKEN)]


def cut_tokens(text: str, limit: int | None) -> tuple[str, bool]:
    """The first `limit` tokens of `text`, and whether that is less than all of it. None: no limit."""
    if limit is None or count_tokens(text) <= limit:
        return text, False
    return text[: limit * CHARS_PER_TOKEN], True


def likeliest_tokens(token: str, count: int) -> list[tuple[str, float]]:
    """The `count` likeliest tokens in the place of `token`, with their log-probabilities.

    `token` itself comes first; the others are made up and get less likely by one each.
    """
    names = [token, *(f"{token}~{rank}" for rank in range(1, count))][:count]
    return [(name, round(-(sum(token.encode()) % 100) / 1000 - rank, 3)) for rank, name in enumerate(names)]

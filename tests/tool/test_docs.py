from __future__ import annotations

from typing import Any

import pytest

from deluge_sync.tool.docs import read_docstring

GOOGLE = """The weather in a city.

It asks the provider
of the day.

Args:
    city (str): Where, as people
        call it.
    days (int, optional): How many. Defaults to 3.

Returns:
    A text.

Raises:
    ValueError: no such city.
"""
NUMPY = """The weather in a city.

It asks the provider
of the day.

Parameters
----------
city : str
    Where, as people
    call it.
days : int, optional
    How many. Defaults to 3.

Returns
-------
str
    A text.
"""
SPHINX = """The weather in a city.

It asks the provider
of the day.

:param str city: Where, as people
    call it.
:param days: How many. Defaults to 3.
:returns: A text.
:raises ValueError: no such city.
"""


def documented(text: str | None) -> Any:
    def function() -> None: ...

    function.__doc__ = text
    return function


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_every_style_gives_the_same(text: str) -> None:
    assert read_docstring(documented(text)) == (
        "The weather in a city.\n\nIt asks the provider\nof the day.",
        {"city": "Where, as people call it.", "days": "How many. Defaults to 3."},
    )


@pytest.mark.parametrize("text", [None, "", "  \n "])
def test_no_docstring_is_no_description(text: str | None) -> None:
    assert read_docstring(documented(text)) == (None, {})


def test_plain_words_are_the_description() -> None:
    assert read_docstring(documented("Say: hello.\n\n    indented: as it is\n")) == (
        "Say: hello.\n\nindented: as it is",
        {},
    )


def test_a_docstring_that_is_of_no_style_is_taken_whole() -> None:
    broken = "Do.\n\n:param\n:\n"
    description, told = read_docstring(documented(broken))
    assert description is not None
    assert description.startswith("Do.")
    assert told == {}


def test_open_keywords_are_described_by_their_name() -> None:
    _, told = read_docstring(documented("Do.\n\nArgs:\n    **others: the rest.\n    a: one.\n"))
    assert told == {"others": "the rest.", "a": "one."}

from __future__ import annotations

import pytest

from codegen.naming import python_name


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("mimeType", "mime_type"),
        ("topK", "top_k"),
        ("plain", "plain"),
        ("snake_case", "snake_case"),
        ("anthropic-beta", "anthropic_beta"),
        ("v2Thing", "v2_thing"),
        ("URLOf", "url_of"),
        ("fileURI", "file_uri"),
    ],
)
def test_names_in_snake_case_if_the_schema_asks_for_them(wire: str, name: str) -> None:
    assert python_name({"x-snake-case": True}, wire) == name


def test_names_stay_the_providers_otherwise() -> None:
    assert python_name({}, "mimeType") == "mimeType"
    assert python_name({}, "anthropic-beta") == "anthropic_beta"


def test_the_brackets_of_a_list_are_no_part_of_its_name() -> None:
    assert python_name({}, "include[]") == "include"

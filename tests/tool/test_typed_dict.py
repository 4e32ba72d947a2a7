from __future__ import annotations

import sys
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Optional, Required, Union

import pytest
import typing_extensions
from pydantic import TypeAdapter, ValidationError

from deluge_sync.errors import ConfigError
from deluge_sync.tool.typed_dict import readable


class Inner(typing.TypedDict):
    a: int


class Base(typing.TypedDict, total=False):
    maybe: int
    must: Required[Inner]


class Derived(Base):
    more: Annotated[list[Inner], "some"]
    rarely: NotRequired[str]


class Endless(typing.TypedDict):
    again: NotRequired[list[Endless]]


class Newer(typing_extensions.TypedDict):
    a: int


INNER = {"a": 1}
FORMS: list[tuple[Any, Any]] = [
    (Inner, INNER),
    (list[Inner], [INNER]),
    (Optional[Inner], INNER),  # noqa: UP045  (the old form is what is tried)
    (Union[int, Inner], INNER),  # noqa: UP007
    (int | list[Inner], [INNER]),
    (dict[str, Inner], {"x": INNER}),
    (Mapping[str, Sequence[Inner]], {"x": [INNER]}),
    (tuple[Inner, int], (INNER, 1)),
    (tuple[Inner, ...], (INNER,)),
    (typing.List[Inner], [INNER]),  # noqa: UP006
    (Annotated[Inner, "text"], INNER),
]


@pytest.mark.parametrize(("annotation", "value"), FORMS, ids=str)
def test_pydantic_reads_it_in_every_generic(annotation: Any, value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(readable(annotation))
    assert adapter.validate_python(value) == value
    with pytest.raises(ValidationError):
        adapter.validate_python({"b": 1})


def test_required_and_not_required_keys_stay_so_through_inheritance() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(readable(Derived))
    assert adapter.json_schema()["required"] == ["must", "more"]
    assert list(adapter.json_schema()["properties"]) == ["maybe", "must", "more", "rarely"]


@pytest.mark.parametrize("annotation", [int, list[int], Literal["a"], int | None, Newer, Any, None, "text"], ids=str)
def test_everything_else_is_left_as_it_is(annotation: Any) -> None:
    assert readable(annotation) is annotation


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it itself")
def test_one_that_contains_itself_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="Endless contains itself; take TypedDict from typing_extensions"):
        readable(Endless)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it itself")
def test_an_unknown_name_is_told_and_can_be_given() -> None:
    class Local:
        pass

    class Holder(typing.TypedDict):
        one: Local

    with pytest.raises(ConfigError, match="an annotation of Holder cannot be read: name 'Local'"):
        readable(Holder)
    assert typing_extensions.is_typeddict(readable(Holder, names=locals()))

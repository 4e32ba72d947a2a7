"""The judge of schemas, which is the `jsonschema` package, and values made to fit one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import pytest
from hypothesis import strategies as st

Judge: TypeAlias = Callable[[Mapping[str, Any], Any], bool]


@pytest.fixture(scope="session")
def fits_schema() -> Judge:
    """Whether a value fits a JSON Schema, which must be a valid one itself."""
    jsonschema = pytest.importorskip("jsonschema")

    def judge(schema: Mapping[str, Any], value: Any) -> bool:
        validator = jsonschema.Draft202012Validator
        validator.check_schema(schema)
        return bool(validator(schema, format_checker=validator.FORMAT_CHECKER).is_valid(value))

    return judge


_FORMATS: dict[str, st.SearchStrategy[str]] = {
    "date": st.dates(min_value=date(1, 1, 2)).map(date.isoformat),
    "date-time": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    "uuid": st.uuids().map(str),
    "duration": st.integers(0, 10**6).map(lambda seconds: f"PT{seconds}S"),
}


class _Values:
    """Strategies for the values that fit a schema, of the keywords that our schemas are written with."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root

    def of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return st.deferred(lambda: self.of(self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return st.one_of([self.of(branch) for branch in schema[keyword]])
        if "const" in schema or "enum" in schema:
            return st.sampled_from(schema.get("enum", [schema.get("const")]))
        strategy: st.SearchStrategy[Any] = getattr(self, f"_{schema.get('type', 'any')}")(schema)
        return strategy

    def _any(self, _: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.recursive(st.none() | st.booleans() | st.integers() | _TEXT, st.lists, max_leaves=3)

    def _null(self, _: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.none()

    def _boolean(self, _: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.booleans()

    def _integer(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.integers(schema.get("minimum"), schema.get("maximum"))

    def _number(self, _: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)

    def _string(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        return _FORMATS[schema["format"]] if "format" in schema else _TEXT

    def _array(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        if "prefixItems" in schema:
            return st.tuples(*map(self.of, schema["prefixItems"])).map(list)
        items = self.of(schema.get("items", {}))
        return st.lists(items, max_size=3, unique_by=repr if schema.get("uniqueItems") else None)

    def _object(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        properties = {name: self.of(child) for name, child in schema.get("properties", {}).items()}
        required = {name: properties.pop(name) for name in schema.get("required", ())}
        further = schema.get("additionalProperties", False)
        if not required and not properties and further is not False:
            return st.dictionaries(_TEXT, self.of({} if further is True else further), max_size=3)
        return st.fixed_dictionaries(required, optional=properties)


# Without lone surrogates: no text that arrives as UTF-8 holds one.
_TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


@pytest.fixture(scope="session")
def values_of() -> Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]:
    """A strategy for the values that fit a schema."""
    return lambda schema: _Values(schema).of(schema)

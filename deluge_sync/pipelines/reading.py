"""An answer as the value that the schema describes, or what is wrong with it in words that a model can act on. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from deluge_sync._engine.parsed import unfenced
from deluge_sync.tool.fits import misfits

if TYPE_CHECKING:
    from deluge_sync.response import APIResponse

__all__ = ["is_worth_asking_again", "read_answer"]

_MOST_COMPLAINTS: Final = 10


def read_answer(schema: Any, response: APIResponse) -> tuple[Any, str | None]:
    """The value and None, or None and the complaint."""
    if response.is_error:
        return None, f"{response.error_kind}: {response.error_message}"
    if response.finish_reason == "length":
        return None, "the answer was cut off at max_new_tokens"
    document = unfenced(response.text)
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return _read_class(schema, document)
    return _read_json(schema, document)


def is_worth_asking_again(response: APIResponse) -> bool:
    """Whether the model answered, in full and wrongly. What failed otherwise was tried again already, as any prompt."""
    return not response.is_error and response.finish_reason != "length"


def _read_class(schema: type[BaseModel], document: str) -> tuple[Any, str | None]:
    try:
        return schema.model_validate_json(document), None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    return None, _listed([f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in problems])


def _read_json(schema: Mapping[str, Any], document: str) -> tuple[Any, str | None]:
    try:
        value = json.loads(document)
    except (ValueError, RecursionError) as error:
        return None, f"it is no JSON: {error}"
    complaints = misfits(value, schema)
    return (None, _listed(complaints)) if complaints else (value, None)


def _listed(complaints: list[str]) -> str:
    shown = "; ".join(complaint.replace("\n", " ") for complaint in complaints[:_MOST_COMPLAINTS])
    left_out = len(complaints) - _MOST_COMPLAINTS
    return f"{shown}; and {left_out} more" if left_out > 0 else shown

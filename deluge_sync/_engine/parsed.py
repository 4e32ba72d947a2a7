"""The answer as the value that `output_schema` describes."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Final

from pydantic import BaseModel, ValidationError

__all__ = ["parsed_answer", "unfenced"]

log = logging.getLogger(__name__)

# Models that cannot be held to a schema like to put their document into a Markdown block.
_FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


def parsed_answer(output_schema: Any, text: str | None) -> Any:
    """An instance of the pydantic class, or the JSON value for a schema given as a dict.

    None without a schema, and where the text does not fit: the answer is kept as it came, and a DEBUG line says why.
    """
    if output_schema is None or not text:
        return None
    document = unfenced(text)
    try:
        if isinstance(output_schema, type) and issubclass(output_schema, BaseModel):
            return output_schema.model_validate_json(document)
        return json.loads(document)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["msg"]
    except (ValueError, RecursionError) as error:
        problem = str(error)
    log.debug("an answer does not fit its output_schema: %s", problem)
    return None


def unfenced(text: str) -> str:
    """The document in an answer: the text, without the Markdown block that it may stand in."""
    fenced = _FENCED.fullmatch(text)
    return fenced[1] if fenced else text

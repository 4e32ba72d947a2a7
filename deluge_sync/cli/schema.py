"""The JSON Schema of --schema: read, checked before anything is sent, and held against every answer.

The provider is asked to keep to it, but not all can, and an answer may be cut off: so `run` and `ask` look themselves.
What is a schema is decided in `schema_check`, what fits it in `tool.fits`, as for the arguments of tools.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deluge_sync.cli.exits import BadInputError, Voice

__all__ = ["Schema", "read_schema"]

_PLAIN = Voice()


class Schema:
    """A checked schema. `document` is what the provider is sent, and not to be changed.

    `unchecked` are its keywords that answers are not held against.
    """

    def __init__(self, document: dict[str, Any], unchecked: frozenset[str] = frozenset()) -> None:
        self.document = document
        self.unchecked = unchecked

    def problem_with(self, parsed: Any) -> str | None:
        """Why the answer's document does not fit; None when it does. `parsed` is None when it had none."""
        from deluge_sync.tool.fits import misfits  # with its package it loads pydantic, which --help needs not

        problems = misfits(parsed, self.document)
        if parsed is None and problems:
            return "the answer is no JSON document"
        return "; ".join(problems[:3]) or None


def read_schema(path: str, voice: Voice = _PLAIN) -> Schema:
    """The schema in the file. `voice` is told of keywords that will not be checked.

    Raises:
        BadInputError: there is no such file, it holds no JSON object, or no schema that we can check.
    """
    from deluge_sync.cli.schema_check import UNCHECKED, check_schema, keywords_of  # as above

    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror} (--schema)") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: not JSON: {error} (--schema)") from error
    if not isinstance(document, dict):
        raise BadInputError(f"{path}: a JSON Schema is an object here (--schema)")
    try:
        check_schema(document)
    except ValueError as error:
        raise BadInputError(f"{path}: {error} (--schema)") from error
    schema = Schema(document, UNCHECKED & keywords_of(document))
    if schema.unchecked:
        voice.note(f"{path}: answers are not held against {', '.join(sorted(schema.unchecked))}")
    return schema

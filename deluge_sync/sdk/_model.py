"""The base classes of the generated models: what a provider sends, what we send, and a file to be uploaded."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Model", "RequestModel", "Upload", "building"]

building = threading.RLock()
"""Held while a validator is built: one thread builds at a time, because pydantic before 2.14 breaks when two do."""


class Model(BaseModel):
    """What a provider sends. Unknown fields are kept: `model_extra` has them, and a dump writes them out again.

    `defer_build` moves the building of a class's validator from its import to its first use. A field whose name is
    not the provider's, such as `schema_` or `mime_type`, may be given by either name and is dumped by the provider's.
    """

    model_config = ConfigDict(
        extra="allow",
        defer_build=True,
        protected_namespaces=(),
        serialize_by_alias=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    @classmethod
    def model_rebuild(cls, *, force: bool = False, raise_errors: bool = True, **_namespaces: Any) -> bool | None:
        """Build the validator now, one thread at a time."""
        with building:
            if cls.__pydantic_complete__ and not force:
                return None
            return super().model_rebuild(force=force, raise_errors=raise_errors, _parent_namespace_depth=0)


class RequestModel(Model):
    """What we send. An unknown field is refused, because a misspelt one would be ignored or fail at the provider."""

    model_config = ConfigDict(extra="forbid")


class Upload(RequestModel):
    """A file in a form. Without a `media_type` it goes as application/octet-stream."""

    filename: str
    content: bytes
    media_type: str | None = None

"""Writes the `__init__.py` of a generated package: every name in one place, each loaded when it is first used.

A type checker sees ordinary imports; at run time `deluge_sync._lazy` finds a name in its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.document import by_tag, components, operations
from codegen.endpoints import BASE_MODULE
from codegen.modules import homes
from codegen.text import import_lines, quote

if TYPE_CHECKING:
    from codegen.document import Document

__all__ = ["render_face"]

AT_ONCE = ("api", "provider")


def render_face(opened: Document, provider: str, header: str) -> str:
    """The text of `__init__.py`."""
    home = _homes_of_all(opened)
    uploads = ["Upload"] if _has_uploads(opened) else []
    modules = sorted(set(home.values()))
    imports = [
        line
        for module in modules
        for line in import_lines(
            f"deluge_sync.sdk.{provider}.{module}", [name for name, found in home.items() if found == module]
        )
    ]
    names = sorted([*home, *uploads, *AT_ONCE], key=_rank)
    return "\n".join(
        [
            header,
            f'"""{opened["info"]["title"]}: the operations we call, typed. `api(...)` makes the caller.',
            "",
            "Each name is loaded with the module of its API when it is first used.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            "from typing import TYPE_CHECKING",
            "",
            "from deluge_sync._lazy import lazy_names",
            *import_lines(BASE_MODULE, uploads),
            *import_lines(f"deluge_sync.sdk.{provider}._provider", AT_ONCE),
            "",
            "if TYPE_CHECKING:",
            *(f"    {line}" for line in imports),
            "",
            "__all__ = [",
            *(f"    {quote(name)}," for name in names),
            "]",
            "",
            "if not TYPE_CHECKING:  # a type checker would take any name for one of the package",
            "    __getattr__, __dir__ = lazy_names(",
            "        __name__,",
            "        {",
            *(f"            {quote(name)}: {quote('.' + home[name])}," for name in names if name in home),
            "        },",
            "    )",
            "",
        ]
    )


def _homes_of_all(opened: Document) -> dict[str, str]:
    """Every model and endpoint -> its module."""
    endpoints = {
        operation["operationId"]: f"_{tag}"
        for tag, part in by_tag(opened).items()
        for *_, operation in operations(part)
    }
    return homes(opened) | endpoints


def _has_uploads(opened: Document) -> bool:
    nodes = [node for schema in components(opened).values() for node in schema.get("properties", {}).values()]
    return any("binary" in (node.get("format"), node.get("items", {}).get("format")) for node in nodes)


def _rank(name: str) -> tuple[bool, str]:
    """Classes before functions, as ruff sorts `__all__`."""
    return not name[0].isupper(), name

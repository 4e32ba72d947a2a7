"""Lays the models and endpoints of a provider out in modules: one for each API (tag), so that a program that answers
prompts builds no classes of files and batches.

    _provider    the provider's address and keys
    _<tag>       the models and endpoints of one API
    _shared      the models that several APIs have in common

The generator of models writes one text; here its classes are dealt out as they stand. Called by `package`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from codegen.document import SchemaError, by_tag, reached, ref_name, request_roots, response_roots
from codegen.endpoints import BASE, BASE_MODULE, endpoint_lines
from codegen.provider import render_provider
from codegen.text import import_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.document import Document

__all__ = ["SHARED", "homes", "render_modules", "render_provider_module"]

SHARED = "_shared"


def homes(opened: Document) -> dict[str, str]:
    """Component -> the module it lies in: that of the only API which reaches it, or the shared one.

    An API that takes or gives what another takes as its whole body, as batches do with messages, builds on that other
    one and imports from it.
    """
    users: dict[str, list[str]] = {}
    for tag, names in _reached_by_tag(opened).items():
        for name in names:
            users.setdefault(name, []).append(tag)
    bases = _bases(opened)
    return {name: _home(tags, bases) for name, tags in users.items()}


def _home(tags: list[str], bases: Mapping[str, set[str]]) -> str:
    owners = [tag for tag in tags if not bases[tag] & set(tags)]
    return f"_{owners[0]}" if len(owners) == 1 else SHARED


def _bases(opened: Document) -> dict[str, set[str]]:
    """Tag -> the other tags whose request bodies it reaches."""
    reaches = _reached_by_tag(opened)
    bodies = {tag: {ref_name(root) for root in request_roots(part)} for tag, part in by_tag(opened).items()}
    return {tag: {other for other in bodies if other != tag and bodies[other] & reaches[tag]} for tag in bodies}


def _reached_by_tag(opened: Document) -> dict[str, set[str]]:
    return {tag: reached(opened, [*request_roots(part), *response_roots(part)]) for tag, part in by_tag(opened).items()}


def render_provider_module(document: Document, provider: str, header: str) -> str:
    """The text of `_provider.py`."""
    body = [*render_provider(document, provider), "api = provider.api"]
    base = {name for name in BASE if any(f"{name}(" in line for line in body)}
    return "\n".join([header, "", *import_lines(BASE_MODULE, base), "", *body, ""])


def render_modules(opened: Document, provider: str, header: str, models: str) -> dict[str, str]:
    """Module -> its text, for every API and what they share. `models` is the text of all models in one."""
    home, parts = homes(opened), by_tag(opened)
    pieces: dict[str, list[str]] = {f"_{tag}": [] for tag in parts}
    for name, text in _definitions(models).items():
        pieces.setdefault(home[name], []).append(text)
    endpoints = {f"_{tag}": "\n".join(endpoint_lines(part)[1:]) for tag, part in parts.items()}
    sources = _imports(models) | {name: f"deluge_sync.sdk.{provider}.{module}" for name, module in home.items()}
    return {
        module: _module(module, [*texts, *filter(None, [endpoints.get(module)])], header, sources)
        for module, texts in pieces.items()
    }


def _module(module: str, pieces: list[str], header: str, sources: Mapping[str, str]) -> str:
    body = "\n\n\n".join(pieces)
    used = _names(body) & set(sources)
    wanted = {name: sources[name] for name in used if not sources[name].endswith(f".{module}")}
    standard = [line for source in ("types", "typing") for line in _import_from(source, wanted)]
    others = [
        line for source in sorted(set(wanted.values()) - {"types", "typing"}) for line in _import_from(source, wanted)
    ]
    imports = [*standard, *([""] if standard and others else []), *others]
    return "\n".join([header, "", *imports, *_gap(body), body, ""])


def _gap(body: str) -> list[str]:
    return ["", ""] if body.startswith("class ") else [""]


def _import_from(source: str, wanted: Mapping[str, str]) -> list[str]:
    return import_lines(source, (name for name, found in wanted.items() if found == source))


def _definitions(models: str) -> dict[str, str]:
    """Class or alias -> the lines that define it."""
    found = {}
    lines = models.splitlines()
    for node in ast.parse(models).body:
        if isinstance(node, ast.ImportFrom):
            continue
        [name] = _defined(node)
        found[name] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return found


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    raise SchemaError(f"the models have a statement that belongs to no class: {ast.unparse(node)}")


def _imports(models: str) -> dict[str, str]:
    """Name -> the module that it is imported from: what models need, and what endpoints do."""
    found = [node for node in ast.parse(models).body if isinstance(node, ast.ImportFrom)]
    ours = {"NoneType": "types", **dict.fromkeys(BASE, BASE_MODULE)}
    return ours | {alias.name: str(node.module) for node in found for alias in node.names}


def _names(text: str) -> set[str]:
    """What the text uses; the names of its fields are not among it."""
    loads = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
    return {node.id for node in loads}

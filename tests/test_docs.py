"""The pages of docs/: each can be found, links lead somewhere, and the reference has every public name.

`make docs` builds them; these tests need nothing but the files.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"
PAGES: Final = [README, *sorted(DOCS.rglob("*.md"))]
PUBLIC_MODULES: Final = (
    "deluge_sync",
    *(f"deluge_sync.{name}" for name in ("batch", "cache", "errors", "pipelines", "testing")),
)
# A number, and an alias that says no more than the signatures that use it.
NOT_DESCRIBED: Final = {"deluge_sync.__version__", "deluge_sync.errors.TransportKind"}

_LINK: Final = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_DESCRIBED: Final = re.compile(r"^::: (\S+)$", re.MULTILINE)


def prose_of(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def links_of(page: Path) -> list[str]:
    """Where the page's links lead, those to other sites left out."""
    return [target for target in _LINK.findall(prose_of(page)) if "://" not in target]


def anchors_of(page: Path) -> set[str]:
    """The names of the page's headings where the code host and mkdocs make the same of them."""
    slugs = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in _HEADING.findall(prose_of(page)))
    return {slug.replace(" ", "-") for slug in slugs if "  " not in slug and "--" not in slug}


def pages_of(nav: Any) -> set[Path]:
    """The files that the navigation of mkdocs.yml names, at whatever depth."""
    if isinstance(nav, str):
        return {DOCS / nav}
    entries = nav.values() if isinstance(nav, dict) else nav
    return {page for entry in entries for page in pages_of(entry)}


def found(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links_of(page):
        path, _, anchor = target.partition("#")
        aim = Path(os.path.normpath(page.parent / path)) if path else page
        assert aim.is_file(), target
        assert not anchor or anchor in anchors_of(aim), target
        assert page == README or aim.is_relative_to(DOCS), f"{target} would lead nowhere in the built site"


@pytest.mark.parametrize("index", [README, DOCS / "index.md"], ids=["README", "index"])
def test_every_page_is_linked_from_the_index(index: Path) -> None:
    linked = {Path(os.path.normpath(index.parent / target.partition("#")[0])) for target in links_of(index)}
    assert {*DOCS.glob("*.md"), DOCS / "reference" / "index.md"} - {index} <= linked


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    assert pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]) == set(DOCS.rglob("*.md"))


def test_the_reference_describes_every_public_name() -> None:
    pages = (DOCS / "reference").glob("*.md")
    described = {id(found(name)) for page in pages for name in _DESCRIBED.findall(page.read_text("utf-8"))}
    public = {f"{module}.{name}" for module in PUBLIC_MODULES for name in import_module(module).__all__}

    assert {name for name in public - NOT_DESCRIBED if id(found(name)) not in described} == set()

"""A package whose names are loaded with their modules."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from deluge_sync._lazy import lazy_names


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package `toys` with a module `toys.balls`, which has a `Ball`."""
    toys, balls = ModuleType("toys"), ModuleType("toys.balls")
    toys.__path__, balls.Ball = [], type("Ball", (), {})  # type: ignore[attr-defined]  # what a real module has
    monkeypatch.setitem(sys.modules, "toys", toys)
    monkeypatch.setitem(sys.modules, "toys.balls", balls)
    toys.__getattr__, toys.__dir__ = lazy_names("toys", {"Ball": ".balls", "Doll": ".dolls"})  # type: ignore[method-assign]
    return toys


def test_a_name_is_found_in_its_module_and_kept(package: ModuleType) -> None:
    assert "Ball" not in vars(package)
    found = package.Ball
    assert found is sys.modules["toys.balls"].Ball
    assert vars(package)["Ball"] is found


def test_dir_has_names_that_nobody_used(package: ModuleType) -> None:
    assert {"Ball", "Doll", "__name__"} <= set(dir(package))


def test_an_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'toys' has no attribute 'Kite'"):
        _ = package.Kite


def test_a_module_that_cannot_be_loaded_says_so(package: ModuleType) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"toys\.dolls"):
        _ = package.Doll

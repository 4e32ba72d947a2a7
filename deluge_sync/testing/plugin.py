"""pytest fixtures of the embedded provider. pytest loads this module wherever the package is installed.

So it imports nothing but pytest until a fixture is used.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deluge_sync.testing import FakeProvider

__all__ = ["fake_provider", "fake_provider_factory"]


@pytest.fixture
def fake_provider_factory() -> Iterator[Callable[..., FakeProvider]]:
    """Makes started providers from the arguments of `FakeProvider`; all of them are stopped after the test."""
    from deluge_sync.testing import FakeProvider

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(FakeProvider(**options))


@pytest.fixture
def fake_provider(fake_provider_factory: Callable[..., FakeProvider]) -> FakeProvider:
    """A started provider without limits and faults; `use_script` makes it misbehave."""
    return fake_provider_factory()

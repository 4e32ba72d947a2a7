"""Shared by all tests: which of them are run, and a certificate for loopback, made anew for each run.

A test that takes minutes has a reduced size beside it, and its whole size is marked `soak`: that runs when it is asked
for, with `pytest -m soak`. No private key is in the repository.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: the whole size of a test; takes minutes, so it runs when asked for")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(scope="session")
def loopback_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PEM file with a key and certificates for 127.0.0.1 and localhost; it is also the bundle that trusts them."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path

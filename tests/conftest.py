"""Shared by all tests: a certificate for loopback, made anew for each run. No private key is in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme


@pytest.fixture(scope="session")
def loopback_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PEM file with a key and certificates for 127.0.0.1 and localhost; it is also the bundle that trusts them."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path

"""Shared by all tests: which of them are run, what they tell time by, and a certificate for loopback, made anew for
each run.

A test that takes minutes has a reduced size beside it, and its whole size is marked `soak`: that runs when it is asked
for, with `pytest -m soak`. No private key is in the repository.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, process_time

import pytest
import trustme


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: the whole size of a test; takes minutes, so it runs when asked for")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(scope="module", autouse=True)
def short_pauses_for_garbage() -> None:
    """What pytest and the official packages hold is not looked through again and again, which stops all threads of
    this process for up to a second: no program of a user is so large, and some tests are about tenths of a second.
    """
    gc.collect()
    gc.freeze()


class OwnTime:
    """A clock that stands still while the machine gives this process no time, as a busy one may for tenths of a second.

    For how late something may be; that it is not early is for `monotonic`. A thread asks for its turn every few
    milliseconds: what it waits longer than that, less the processor time that the process used meanwhile, was not ours.
    """

    PERIOD_S = 0.005

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at, self._used_s, self._withheld_s = monotonic(), process_time(), 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="own-time")
        self._thread.start()

    def __call__(self) -> float:
        with self._lock:
            now, used_s = monotonic(), process_time()
            late_s = now - self._looked_at - self.PERIOD_S - (used_s - self._used_s)
            self._withheld_s += late_s if late_s > self.PERIOD_S else 0.0
            self._looked_at, self._used_s = now, used_s
            return now - self._withheld_s

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _watch(self) -> None:
        while not self._stop.wait(self.PERIOD_S):
            self()


@pytest.fixture
def own_time() -> Iterator[Callable[[], float]]:
    """Seconds, less those that the machine withheld from this process since the test began."""
    clock = OwnTime()
    yield clock
    clock.close()


@pytest.fixture(scope="session")
def loopback_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One PEM file with a key and certificates for 127.0.0.1 and localhost; it is also the bundle that trusts them."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path

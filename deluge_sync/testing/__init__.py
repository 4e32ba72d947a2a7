"""The embedded provider: a real HTTP server on loopback that behaves, and misbehaves, like a hosted-model provider.

For the tests of whoever uses this package, and for `python -m deluge_sync serve`. Knows nothing of the client; of this
package it imports only `deluge_sync.sdk`. pytest loads the fixtures in `plugin` in every project where the package is
installed, which imports this module too: so the names below are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deluge_sync.testing._faults import FAULTS
    from deluge_sync.testing._ledger import RequestRecord
    from deluge_sync.testing._provider import FakeProvider, serve
    from deluge_sync.testing._reply import Answer, Reply, ScriptedCall
    from deluge_sync.testing._store import BatchPace

__all__ = ["FAULTS", "Answer", "BatchPace", "FakeProvider", "Reply", "RequestRecord", "ScriptedCall", "serve"]

_HOMES = {
    "FAULTS": "_faults",
    "Answer": "_reply",
    "BatchPace": "_store",
    "FakeProvider": "_provider",
    "Reply": "_reply",
    "RequestRecord": "_ledger",
    "ScriptedCall": "_reply",
    "serve": "_provider",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""Sends one HTTP request and returns its complete reply, within a total time. The only importer of requests.

It knows nothing of models, retries or limits. Adapters build an `HttpRequest` without touching this package's
machinery; the engine hands it to a `Transport`. `send` is the same over one transport for the whole process, for
direct SDK calls.
"""

from __future__ import annotations

from deluge_sync._http.leash import Leash
from deluge_sync._http.message import HttpReply, HttpRequest
from deluge_sync._http.transport import Transport, send

__all__ = ["HttpReply", "HttpRequest", "Leash", "Transport", "send"]

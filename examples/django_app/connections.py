"""Database connections of threads that are not Django's.

Django opens a connection for each thread that asks the database, and closes it when a *request* is finished. The
client calls `postprocess`, caches and tools in threads of its own, where no request ever finishes: connections that
were opened there would stay open, one for each thread, and some day be ones that the database has dropped. So wrap in
`closing_connections` whatever of yours uses the database and is called by the client.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


def closing_connections(function: Callable[P, T]) -> Callable[P, T]:
    """Call `function` and then close what this thread has open, except where a transaction is under way.

    (There is one where the client calls it in the view's own thread: it tells at once what cannot be sent at all.)
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close()

    return wrapped

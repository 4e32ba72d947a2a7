"""What goes wrong on a connection, as values: a `TransportError` for each exception of urllib3 and its like.

None of their texts is passed on: they quote URLs and headers, and a header may be the key. Used by `transport` and
`body`, which raise nothing themselves.
"""

from __future__ import annotations

from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING, TypeVar

from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from deluge_sync.errors import DeadlineExceededError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deluge_sync._http.leash import Leash

__all__ = ["AddressRefusedError", "broken_off", "guarded", "is_over", "too_large"]

T = TypeVar("T")


class AddressRefusedError(ValueError):
    """No address of the host is one that may be connected to."""


def guarded(leash: Leash, work: Callable[[], T]) -> T | TransportError:
    """What `work` on a connection gives, or the error that took its place."""
    try:
        return work()
    except (HTTPError, HTTPException, RequestException, OSError, ValueError) as exc:
        return _translate(exc, leash)


def is_over(leash: Leash) -> bool:
    """Whether the call was cut or its time is up."""
    return leash.cut_reason is not None or leash.remaining_s() == 0


def broken_off(leash: Leash) -> TransportError:
    """The error of a call that is over, for the first reason there was."""
    has_left = leash.sends > 0
    if leash.cut_reason == "cancelled":
        return TransportError("cancelled", "the call was cut", may_have_been_processed=has_left)
    if leash.cut_reason == "idle":
        message = f"the server fell silent: not a byte for {leash.idle_s:g} s"
        return DeadlineExceededError(message, may_have_been_processed=has_left)
    return DeadlineExceededError("no complete reply within the time limit", may_have_been_processed=has_left)


def too_large(status: int, cap_bytes: int) -> TransportError:
    """The error of a reply that goes on after `cap_bytes`."""
    message = f"the reply of status {status} exceeds {cap_bytes:,} bytes"
    return TransportError("too_large", message, may_have_been_processed=True)


def _translate(exc: Exception, leash: Leash) -> TransportError:
    if is_over(leash):
        return broken_off(leash)
    if leash.was_sent:
        return TransportError("broken", f"the reply broke off: {_name(exc)}", may_have_been_processed=True)
    # A request that first met a stale connection has left once, whatever came of the second attempt.
    has_left = leash.sends > 0
    if isinstance(exc.args[0] if isinstance(exc, SSLError) else exc, SSLCertVerificationError):
        return TransportError("tls", "the server's certificate could not be verified", may_have_been_processed=has_left)
    if isinstance(exc, AddressRefusedError):
        message = "the host has no address that may be connected to"
        return TransportError("illegal", message, may_have_been_processed=has_left)
    if isinstance(exc, ValueError):
        # http.client quotes an illegal header in its message, and the header may be the key.
        message = f"the request has an illegal URL, header or proxy: {type(exc).__name__}"
        return TransportError("illegal", message, may_have_been_processed=has_left)
    return TransportError("connect", f"no connection: {_name(exc)}", may_have_been_processed=has_left)


def _name(exc: Exception) -> str:
    """What went wrong, without the URL and headers that the exception's own text may quote."""
    cause = exc.args[-1] if isinstance(exc, ProtocolError) and exc.args else exc.__cause__ or exc
    reason = getattr(cause, "strerror", None)
    return f"{type(cause).__name__} ({reason})" if reason else type(cause).__name__

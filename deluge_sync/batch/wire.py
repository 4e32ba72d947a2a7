"""One account at one provider: calls endpoints of the typed SDK, sends files and fetches results, each exactly once.

Bodies that are files go from the disk to the socket and from the socket to the disk a piece at a time. Nothing is
tried again here: what failed is told as a `CallFailedError` with the `Failure` that `classify` made of it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from deluge_sync._adapters.classify import classify_reply, classify_transport
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._http import FileBody, HttpReply, HttpRequest, Leash
from deluge_sync.batch.journal import create_private
from deluge_sync.errors import DelugeError, ReplyFormatError, TransportError

if TYPE_CHECKING:
    from deluge_sync._http import Transport
    from deluge_sync.sdk._base import Api, Endpoint

__all__ = ["CallFailedError", "Wire"]

_TIMEOUT_S: Final = 60.0
_IDLE_S: Final = 120.0
# What is slower than this is broken: 100 kB/s, so 200 MB get half an hour.
_SLOWEST_BYTES_PER_S: Final = 100_000
_DOWNLOAD_TIMEOUT_S: Final = 6 * 3600.0
# Stands in a typed request for the content of a file, which is put there while it is sent.
_PLACEHOLDER: Final = b"deluge-sync:7f3c0c5b-the-content-goes-here"


class CallFailedError(DelugeError):
    """A call brought no usable reply. Inside this package only; users see `BatchError` or an error response."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class Wire:
    """Calls with one key. For one thread at a time; `cut` may come from any other."""

    placeholder = _PLACEHOLDER

    def __init__(self, api: Api, transport: Transport, *, provider: str) -> None:
        self.api = api
        self._transport = transport
        self._provider = provider
        self._leash: Leash | None = None
        self._is_cut = False

    def call(self, endpoint: Endpoint[Any, Any, Any], request: Any = None, **options: Any) -> Any:
        """The typed reply. `options` are those of `Api.prepare`.

        Raises:
            CallFailedError: there is none.
        """
        return self._read(endpoint, self.send(self.api.prepare(endpoint, request, **options)))

    def call_with_file(
        self, endpoint: Endpoint[Any, Any, Any], request: Any, path: Path, *, joined: bool = False, **options: Any
    ) -> Any:
        """`call` with the content of the file at `path` in the place of `placeholder` in `request`.

        joined: its lines as the elements of a JSON list, parted by commas.

        Raises:
            CallFailedError: there is no typed reply.
        """
        prepared = self.api.prepare(endpoint, request, **options)
        return self._read(endpoint, self.send(_with_file(prepared, path, joined=joined)))

    def send(self, request: HttpRequest) -> HttpReply:
        """The reply of a status 2xx.

        Raises:
            CallFailedError: none came, or one of another status.
        """
        size = len(request.file or request.body or b"")
        leash = self._new_leash(_TIMEOUT_S + size / _SLOWEST_BYTES_PER_S)
        # A connection that was idle may be closed when the request meets it, which is then sent once more. An order
        # must not leave twice: whether the first has arrived cannot be known.
        leash.on_fresh_connection = request.method != "GET"
        try:
            reply = self._transport.send(request, timeout_s=0, leash=leash)
        except TransportError as error:
            failure = classify_transport(error)
        else:
            if 200 <= reply.status < 300:
                return reply
            failure = self._shown(classify_reply(reply, provider=self._provider))
        finally:
            self._leash = None
        raise CallFailedError(failure)

    def download(self, request: HttpRequest, path: Path) -> None:
        """Write the body of the reply to `path`, which is there when all of it has come and not before.

        Raises:
            CallFailedError: it did not come, or not all of it.
            OSError: the disk is full.
        """
        partial = path.with_name(f"{path.name}.partial")
        with create_private(partial) as file:
            self._fetch(request, file)
        partial.replace(path)

    def cut(self) -> None:
        """End the call under way and all that follow, as cancelled."""
        self._is_cut = True
        leash = self._leash
        if leash is not None:
            leash.cut("cancelled")

    def _fetch(self, request: HttpRequest, file: BinaryIO) -> None:
        def keep(chunk: bytes) -> bool:
            file.write(chunk)
            return True

        leash = self._new_leash(_DOWNLOAD_TIMEOUT_S)
        try:
            reply = self._transport.stream(request, keep, timeout_s=0, idle_s=_IDLE_S, leash=leash, content_types=None)
        except TransportError as error:
            raise CallFailedError(classify_transport(error)) from None
        finally:
            self._leash = None
        if not reply.is_streamed:
            raise CallFailedError(self._shown(classify_reply(reply, provider=self._provider)))

    def _read(self, endpoint: Endpoint[Any, Any, Any], reply: HttpReply) -> Any:
        try:
            return endpoint.parse(reply.body)
        except ReplyFormatError as error:
            problem = str(error)[:500]
        raise CallFailedError(Failure(FailureKind.MALFORMED, problem, reply.status))

    def _new_leash(self, seconds: float) -> Leash:
        leash = self._leash = Leash(monotonic() + seconds)
        if self._is_cut:  # looked at after the leash can be found: whoever cuts sets the flag first
            leash.cut("cancelled")
        return leash

    def _shown(self, failure: Failure) -> Failure:
        """Without the key: some servers quote the one they refuse."""
        message = failure.message
        for value in self.api.headers.values():
            message = message if isinstance(value, str) else value.hide_in(message)
        return replace(failure, message=message)


def _with_file(request: HttpRequest, path: Path, *, joined: bool) -> HttpRequest:
    assert request.body is not None
    head, _, tail = request.body.partition(_PLACEHOLDER)
    body = FileBody(path, head=head, tail=tail, joined=joined)
    return replace(request, headers={**request.headers, "Content-Length": str(len(body))}, body=None, file=body)

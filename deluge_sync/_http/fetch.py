"""Downloads what a stranger's URL leads to, so that neither the URL nor whoever answers it can do us harm.

Only https, only public addresses, each checked when it is connected to, so that no name can be looked up as one
address and connected to as another. No proxy is used, and no cookie, key or name of ours is sent. A redirect is
followed within its host, three times at most. The content has a largest size, decompressed, and all of it a time limit.
Nothing is tried again and nothing is kept: `prompt.fetching` does both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from deluge_sync._http.address import is_public
from deluge_sync._http.leash import Leash
from deluge_sync._http.message import HttpReply, HttpRequest
from deluge_sync._http.transport import Transport
from deluge_sync.errors import ApiStatusError, ConfigError

__all__ = ["MOST_BYTES", "Download", "Downloader"]

MOST_BYTES: Final = 20 * 1024 * 1024
_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# `identity` is a wish; what comes compressed all the same is unpacked, up to the same size.
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "deluge-sync"}


@dataclass(frozen=True, slots=True)
class Download:
    """What was downloaded, and what its server said that it is: a media type in small letters, or None."""

    content: bytes
    media_type: str | None


class Downloader:
    """Keeps connections to the hosts it downloads from. For any number of threads.

    `accepts` says which IP addresses may be connected to; tests put a policy of their own there. `_lock` guards the
    downloads under way.
    """

    def __init__(self, *, accepts: Callable[[str], bool] = is_public, most_bytes: int = MOST_BYTES) -> None:
        self._transport = Transport(accepts=accepts, most_bytes=most_bytes)
        self._lock = threading.Lock()
        self._under_way: set[Leash] = set()

    def download(self, url: str, *, timeout_s: float) -> Download:
        """The content at `url`. `timeout_s` is the time for all of it, redirects included.

        Raises:
            ConfigError: the URL is not for us to fetch, or redirects elsewhere; the text says which.
            ApiStatusError: the answer has another status than 2xx. `body` is None: a stranger's text is not shown.
            TransportError: no complete answer came; of kind "illegal" where the host has no public address, and
                "too_large" where the content has no end in sight.
        """
        deadline = monotonic() + timeout_s
        place = _checked(url)
        for _ in range(1 + _MOST_REDIRECTS):
            reply = self._get(place.url, deadline)
            if reply.status not in _REDIRECTS:
                return _read(reply)
            place = _followed(place, reply.headers.get("location", ""))
        raise ConfigError(f"more than {_MOST_REDIRECTS} redirects in a row")

    def close(self) -> None:
        """Cut the downloads under way, which end with a `TransportError`, and close the idle connections."""
        with self._lock:
            under_way = list(self._under_way)
        for leash in under_way:
            leash.cut("cancelled")
        self._transport.close()

    def _get(self, url: str, deadline: float) -> HttpReply:
        leash = Leash(deadline)
        with self._lock:
            self._under_way.add(leash)
        try:
            return self._transport.send(HttpRequest("GET", url, _HEADERS), timeout_s=0, leash=leash)
        finally:
            with self._lock:
                self._under_way.discard(leash)


def _checked(url: str, what: str = "the URL") -> Url:
    """The URL as it will be asked for, spelled by the rules.

    urllib3, which connects, reads it here too: a second parser might see another host.
    """
    if any(character.isspace() or character < " " or character in "\\\x7f" for character in url):
        raise ConfigError(f"{what} has a space, backslash or control character in it; write it percent-encoded")
    try:
        place = parse_url(url)
    except LocationParseError:
        raise ConfigError(f"{what} cannot be read") from None
    if place.scheme != "https" or not place.host:
        raise ConfigError(f"{what} is no https URL, and only those are fetched; pass the content instead")
    if place.auth is not None:
        raise ConfigError(f"{what} has a user or password in it, which are not sent; pass the content instead")
    return place._replace(path=place.path or "/", fragment=None)


def _followed(place: Url, location: str) -> Url:
    """Where a redirect leads, if it stays on the host."""
    if not location:
        raise ConfigError("a redirect to nowhere")
    target = _checked(urljoin(place.url, location), "the URL it redirects to")
    if (target.host, target.port or 443) != (place.host, place.port or 443):
        raise ConfigError(f"it redirects to another host, {target.netloc}; if you trust that one, pass its URL")
    return target


def _read(reply: HttpReply) -> Download:
    if not 200 <= reply.status < 300:
        raise ApiStatusError(reply.status, None)
    told = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Download(reply.body, told if "/" in told else None)

"""Fetches the images and files at URLs that a provider does not fetch itself, before a request is built.

    needs_fetch(conversation, api_spec) -> list[Media]              pure and cheap: most prompts need nothing
    Fetcher.fill(conversation, api_spec) -> Conversation            the same conversation with the contents in it

What may be downloaded, and how safely, is in `_http.fetch`. The engine calls both, in a worker that nobody waits for
to lead; `as_remote` fetches what it is to upload.
"""

from __future__ import annotations

import random
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ApiStatusError, ConfigError, DelugeError, TransportError
from deluge_sync.prompt.image import Image
from deluge_sync.prompt.media import Media
from deluge_sync.prompt.once import Once
from deluge_sync.prompt.parts import File, ToolResult
from deluge_sync.prompt.retrying import retrying

if TYPE_CHECKING:
    from deluge_sync._http.fetch import Download, Downloader
    from deluge_sync.prompt.conversation import Conversation
    from deluge_sync.prompt.message import Message
    from deluge_sync.prompt.parts import Part

__all__ = ["Fetcher", "needs_fetch"]

_KEPT_BYTES: Final = 256 * 1024 * 1024
_KEPT_S: Final = 300.0
_FAILURE_KEPT_S: Final = 30.0
_ENTRY_BYTES: Final = 1024
_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 8


# --- what needs it


def needs_fetch(conversation: Conversation, api_spec: str) -> list[Media]:
    """The images and files that have to be fetched for a request in this format, in their order.

    That is what the format cannot say by its URL, and an image that shall be made smaller. What the model itself said
    is left out. An `api_spec` that is not known here needs nothing.
    """
    return [media for media in _at_urls(conversation.messages) if _is_for_us(media, api_spec)]


def _at_urls(messages: Iterable[Message]) -> Iterator[Media]:
    for message in messages:
        if message.role == "assistant":
            continue
        for part in message.parts:
            if isinstance(part, Media):
                if part.url is not None:
                    yield part
            elif isinstance(part, ToolResult) and not isinstance(part.result, str):
                yield from (inner for inner in part.result if isinstance(inner, Media) and inner.url is not None)


def _is_for_us(media: Media, api_spec: str) -> bool:
    if isinstance(media, Image) and media.max_size is not None:
        return True
    rule = _RULES.get(api_spec)
    return rule is not None and rule(media)


def _is_file(media: Media) -> bool:
    return isinstance(media, File)


def _is_neither_pdf_nor_image(media: Media) -> bool:
    """Of a type that is known and that Anthropic does not fetch. What nothing tells is taken for a PDF."""
    kind = media.media_type if isinstance(media, File) else None
    return kind is not None and kind != "application/pdf" and not kind.startswith("image/")


# Formats that pass every URL on (OpenAI's Responses, Gemini, Mistral) have no rule.
_RULES: Final[Mapping[str, Callable[[Media], bool]]] = {
    "openai": _is_file,
    "anthropic": _is_neither_pdf_nor_image,
    "bedrock": lambda _: True,
}


# --- fetching


@dataclass(frozen=True, slots=True)
class _Kept:
    """What came of a URL: its content, or why there is none. Known until an instant of the clock."""

    outcome: Download | str
    until: float

    @property
    def size(self) -> int:
        return _ENTRY_BYTES + (0 if isinstance(self.outcome, str) else len(self.outcome.content))


class Fetcher:
    """Downloads each URL once, however many threads ask for it, and keeps what came for some minutes.

    `kept_bytes` bounds what is kept; what was used longest ago goes first. `timeout_s` is the time for one URL, its
    retries included. Thread-safe: `_lock` guards what is kept. `accepts` says which IP addresses may be connected to,
    None for public ones.
    """

    def __init__(
        self,
        *,
        accepts: Callable[[str], bool] | None = None,
        kept_bytes: int = _KEPT_BYTES,
        timeout_s: float = _TIMEOUT_S,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._accepts = accepts
        self._most_kept_bytes = kept_bytes
        self._timeout_s = timeout_s
        self._clock = clock
        self._chance = chance
        self._given_wait = wait
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: Once[str, Download | str] = Once()
        self._downloader: Downloader | None = None
        self._closing = threading.Event()
        self._wait = self._given_wait or self._closing.wait

    def fill(self, conversation: Conversation, api_spec: str) -> Conversation:
        """The conversation with the content of what `needs_fetch`; the same object where nothing does.

        Several contents are fetched at the same time. The given conversation is not changed.

        Raises:
            ConfigError: one of them cannot be had; the text says which and why.
        """
        needed = needs_fetch(conversation, api_spec)
        if not needed:
            return conversation
        filled = self._fetch_all(needed)
        copy = conversation.copy()
        for message in copy.messages:
            if message.role != "assistant":
                message.parts = [_filled(part, filled) for part in message.parts]
        return copy

    def fetch(self, media: Media) -> Media:
        """The image or file with its content in place of its URL; the same object if it has none.

        Raises:
            ConfigError: as `fill`.
        """
        return media if media.url is None else self._fetch_all([media])[media]

    def close(self) -> None:
        """Forget what was kept, close the connections and end the waiting between retries."""
        self._closing.set()
        with self._lock:
            downloader, self._downloader = self._downloader, None
            self._kept.clear()
            self._kept_bytes = 0
        if downloader is not None:
            downloader.close()

    def _fetch_all(self, needed: Iterable[Media]) -> dict[Media, Media]:
        outcomes = self._outcomes({str(media.url) for media in needed})
        return {media: _with_content(media, outcomes[str(media.url)]) for media in needed}

    def _outcomes(self, urls: Iterable[str]) -> dict[str, Download | str]:
        """What came of each URL. This thread does its share; further ones come only where there are several."""
        waiting, outcomes = deque(urls), {}

        def work() -> None:
            while True:
                try:
                    url = waiting.popleft()
                except IndexError:
                    return
                outcomes[url] = self._outcome(url)

        threads = [
            threading.Thread(target=work, name="deluge-sync-fetch", daemon=True)
            for _ in range(min(len(waiting), _AT_ONCE) - 1)
        ]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
        return outcomes

    def _outcome(self, url: str) -> Download | str:
        known = self._look_up(url)
        return known if known is not None else self._under_way.do(url, lambda: self._find(url))

    def _find(self, url: str) -> Download | str:
        known = self._look_up(url)  # whoever came first may just have ended
        if known is not None:
            return known
        try:
            outcome: Download | str = self._download(url)
        except DelugeError as error:
            outcome = _reason(error)
        self._keep(url, outcome)
        return outcome

    def _download(self, url: str) -> Download:
        downloader, deadline = self._find_downloader(), self._clock() + self._timeout_s
        return retrying(
            lambda: downloader.download(url, timeout_s=deadline - self._clock()),
            attempts=_ATTEMPTS,
            seconds_left=lambda: -inf if self._closing.is_set() else deadline - self._clock(),
            wait=self._wait,
            chance=self._chance,
        )

    def _find_downloader(self) -> Downloader:
        from deluge_sync._http.fetch import Downloader  # loads what speaks HTTP, which few prompts need

        with self._lock:
            if self._downloader is None:
                self._downloader = Downloader() if self._accepts is None else Downloader(accepts=self._accepts)
            return self._downloader

    def _look_up(self, url: str) -> Download | str | None:
        with self._lock:
            kept = self._kept.get(url)
            if kept is None or kept.until <= self._clock():
                return None
            self._kept.move_to_end(url)
            return kept.outcome

    def _keep(self, url: str, outcome: Download | str) -> None:
        lives_s = _FAILURE_KEPT_S if isinstance(outcome, str) else _KEPT_S
        kept = _Kept(outcome, self._clock() + lives_s)
        with self._lock:
            old = self._kept.pop(url, None)
            self._kept[url] = kept
            self._kept_bytes += kept.size - (old.size if old else 0)
            while self._kept_bytes > self._most_kept_bytes:
                self._kept_bytes -= self._kept.popitem(last=False)[1].size


def _reason(error: DelugeError) -> str:
    if isinstance(error, ApiStatusError):
        return f"its server answered with status {error.status}"
    if isinstance(error, TransportError) and error.kind == "illegal":
        return f"{error}; only public ones are fetched from, so pass the content instead"
    return str(error)


def _with_content(media: Media, outcome: Download | str) -> Media:
    if isinstance(outcome, str):
        raise ConfigError(f"{media} cannot be fetched: {outcome}")
    return media.with_content(outcome.content, outcome.media_type)


def _filled(part: Part, filled: Mapping[Media, Media]) -> Part:
    if isinstance(part, Image | File):
        return filled.get(part, part)  # type: ignore[return-value]  # an image is filled as an image, a file as a file
    if isinstance(part, ToolResult) and not isinstance(part.result, str):
        inside = [_filled(inner, filled) for inner in part.result]
        return ToolResult(part.tool_call_id, inside, part.is_error, part.extra)
    return part

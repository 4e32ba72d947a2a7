"""Uploads an image or a file once for each provider and key, waits until it can be used, and remembers it.

What was uploaded is remembered in this process only, for as long as the provider keeps it. The calls of a provider are
in its module, loaded with the first upload there; this one decides when they are made. `remote` offers it to `media`.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from math import inf
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from deluge_sync._fork import start_afresh_in_child
from deluge_sync.errors import ConfigError, DeadlineExceededError, DelugeError
from deluge_sync.prompt.fetching import Fetcher
from deluge_sync.prompt.file import File
from deluge_sync.prompt.once import Once
from deluge_sync.prompt.remote.stored import Content, Store, Stored
from deluge_sync.prompt.retrying import retrying
from deluge_sync.prompt.sniff import extension_of
from deluge_sync.prompt.source import provider_named

if TYPE_CHECKING:
    from deluge_sync._secret import Secret
    from deluge_sync.prompt.media import Media
    from deluge_sync.sdk._base import Api

__all__ = ["Uploads", "delete", "upload"]

T = TypeVar("T")
M = TypeVar("M", bound="Media")
Key: TypeAlias = tuple[object, ...]

_STORES: Final = ("openai", "anthropic", "gemini")
_ATTEMPTS: Final = 5
_READY_WITHIN_S: Final = 300.0
_FIRST_LOOK_S: Final = 0.5
_LONGEST_LOOK_S: Final = 5.0
# A prompt may wait in the queue before it names the file: one that ends sooner than this is uploaded anew.
_LEAST_LIFE_S: Final = 3600.0
_UPLOADS_AT_ONCE: Final = 16


class Uploads:
    """What this process has uploaded. Thread-safe: `_lock` guards the tables. At most 16 uploads go at the same time.

    `now` gives Unix time, for what providers say of when a file ends; `clock` measures.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._now = now
        self._clock = clock
        self._wait = wait
        self._chance = chance
        self._fetcher = fetcher or Fetcher()
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Key, Stored] = {}
        self._made_with: dict[tuple[str, str], Api] = {}
        self._under_way: Once[Key, Stored] = Once()
        self._places = threading.BoundedSemaphore(_UPLOADS_AT_ONCE)

    def upload(self, media: M, provider: str, *, api_key: str | Secret | None = None, base_url: str | None = None) -> M:
        """The image or file by its id at `provider`; the same object if it is there already.

        Raises: as `Media.as_remote_sync`.
        """
        name = _checked(provider)
        if media.file_id_for(name) is not None:
            return media
        store = _store(name)
        api = store.provider.api(api_key, base_url=base_url)
        here = cast("M", self._fetcher.fetch(media))
        content = _content(here)
        stored = self._stored(store, api, content)
        return here.uploaded(stored.file_id, name, content.media_type)

    def delete(self, media: Media, *, api_key: str | Secret | None = None, base_url: str | None = None) -> None:
        """Delete it at its provider. Raises: as `Media.delete_sync`."""
        if media.file_id is None or media.provider is None:
            raise ConfigError(f"{media} is at no provider, so that there is nothing to delete; as_remote uploads it")
        name, file_id = _checked(media.provider), media.file_id
        store, api = _store(name), self._forget(name, file_id)
        if api is None or api_key is not None or base_url is not None:
            api = store.provider.api(api_key, base_url=base_url)
        self._persist(partial(store.remove, api, file_id))

    def _stored(self, store: Store, api: Api, content: Content) -> Stored:
        key = _key(store, api, content)
        return self._look_up(key) or self._under_way.do(key, lambda: self._find(key, store, api, content))

    def _find(self, key: Key, store: Store, api: Api, content: Content) -> Stored:
        known = self._look_up(key)  # whoever came first may just have ended
        if known is not None:
            return known
        with self._places:
            stored = self._persist(partial(store.put, api, content))
        stored = self._wait_until_ready(store, api, stored)
        with self._lock:
            self._made[key] = stored
            self._made_with[store.provider.name, stored.file_id] = api
        return stored

    def _wait_until_ready(self, store: Store, api: Api, stored: Stored) -> Stored:
        deadline, pause_s = self._clock() + _READY_WITHIN_S, _FIRST_LOOK_S
        while not stored.is_ready:
            problem = _problem(stored, is_late=self._clock() >= deadline)
            if problem is not None:
                with suppress(DelugeError):  # the file is of no use; that it stays there is the lesser trouble
                    store.remove(api, stored.file_id)
                raise problem
            self._wait(pause_s)
            pause_s = min(_LONGEST_LOOK_S, pause_s * 1.5)
            stored = self._persist(partial(store.look, api, stored.file_id))
        return stored

    def _persist(self, work: Callable[[], T]) -> T:
        return retrying(work, attempts=_ATTEMPTS, seconds_left=lambda: inf, wait=self._wait, chance=self._chance)

    def _look_up(self, key: Key) -> Stored | None:
        with self._lock:
            made = self._made.get(key)
            if made is not None and made.expires_at - self._now() < _LEAST_LIFE_S:
                del self._made[key]
                return None
            return made

    def _forget(self, provider: str, file_id: str) -> Api | None:
        """Hand the file out no more. Gives what it was uploaded with, which serves to delete it a second time too."""
        with self._lock:
            for key in [key for key, made in self._made.items() if (key[0], made.file_id) == (provider, file_id)]:
                del self._made[key]
            return self._made_with.get((provider, file_id))


def _problem(stored: Stored, *, is_late: bool) -> DelugeError | None:
    """Why the file will never be usable, as far as is known."""
    if stored.problem is not None:
        return ConfigError(f"the provider cannot use the uploaded file {stored.file_id!r}: {stored.problem}")
    if is_late:
        message = f"the provider was not done with the uploaded file within {_READY_WITHIN_S:.0f} s"
        return DeadlineExceededError(message, may_have_been_processed=True)
    return None


def _checked(provider: str) -> str:
    name = provider_named(provider)
    if name not in _STORES:
        raise ConfigError(f"files can be uploaded to {', '.join(_STORES)}, not to {provider!r:.80}")
    return name


def _store(name: str) -> Store:
    # Imported late: the module loads the generated models of its provider.
    return cast("Store", import_module(f"deluge_sync.prompt.remote.{name}"))


def _content(media: Media) -> Content:
    """The media as a prompt would send it."""
    data, kind = media.data, media.media_type or "application/octet-stream"
    if isinstance(media, File):
        return Content(data, kind, media.sent_name, is_image=kind.startswith("image/"))
    stem = PurePath(media.name).stem if media.name else "image"
    return Content(data, kind, f"{stem}.{extension_of(kind)}", is_image=True)


def _key(store: Store, api: Api, content: Content) -> Key:
    """What has to be equal for one upload to serve for another: all that the provider and a prompt can tell of it."""
    digest = hashlib.sha256(content.data).hexdigest()
    headers: Mapping[str, str | Secret] = api.headers
    keys = tuple(sorted((name, value) for name, value in headers.items() if not isinstance(value, str)))
    return (store.provider.name, api.base_url, keys, digest, content.media_type, content.name)


_shared = Uploads()
upload = _shared.upload
delete = _shared.delete

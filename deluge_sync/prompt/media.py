"""What images and files have in common: where the content is from, what type it is, how a provider is given it.

A value that never changes; facts found out from a local file are kept with the file's time and size, so that they are
right after the file was changed. Dialects call `url`, `file_id_for` and `data_url` or `data`; nothing is read before.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

from deluge_sync.errors import ConfigError
from deluge_sync.prompt.sniff import HEAD_BYTES, sniff, type_of_name
from deluge_sync.prompt.source import Inline, LocalFile, MediaData, Remote, Source, Stamp, Uploaded, source_of

if TYPE_CHECKING:
    from deluge_sync._secret import Secret

__all__ = ["Media", "checked_type"]

T = TypeVar("T")

_SAID_OF_EVERYTHING = frozenset({"application/octet-stream", "binary/octet-stream", "text/plain"})


class Media:
    """An image or a file. Two are equal when they have the same source and options; no file is read for that.

    May be used by several threads. Not made directly: `Image` and `File` are.
    """

    __slots__ = ("_declared", "_extra", "_facts", "_source")

    _source: Source
    _declared: str | None
    _extra: Mapping[str, Any] | None
    _facts: tuple[Stamp, dict[str, Any]]

    def __init__(
        self,
        data: MediaData | None,
        *,
        media_type: str | None,
        file_id: str | None,
        provider: str | None,
        extra: Mapping[str, Any] | None,
    ) -> None:
        self._source, told = source_of(data, file_id=file_id, provider=provider)
        self._declared = checked_type(media_type) or told
        self._extra = extra
        self._facts = ((), {})

    # --- what dialects ask for

    @property
    def extra(self) -> Mapping[str, Any] | None:
        """What a wire format says beside it, by dialect: `{"anthropic": {"cache_control": {...}}}`."""
        return self._extra

    @property
    def url(self) -> str | None:
        """Its http(s) URL; None when it has none."""
        return self._source.url if isinstance(self._source, Remote) else None

    @property
    def path(self) -> str | None:
        """The local file it is read from; None when it is from elsewhere."""
        return self._source.path if isinstance(self._source, LocalFile) else None

    @property
    def file_id(self) -> str | None:
        """The id that `provider` gave it when it was uploaded; None when it was not."""
        return self._source.file_id if isinstance(self._source, Uploaded) else None

    @property
    def provider(self) -> str | None:
        """Whose `file_id` it is; None without one."""
        return self._source.provider if isinstance(self._source, Uploaded) else None

    def file_id_for(self, provider: str) -> str | None:
        """The file id, for a dialect of that provider; None when it was not uploaded.

        Raises:
            ConfigError: it was uploaded to another provider, so that this one cannot be told what it is.
        """
        if self.provider not in (None, provider):
            raise ConfigError(f"{self} is not known to {provider}; give it the content, or upload it there")
        return self.file_id

    @property
    def data(self) -> bytes:
        """The content as it is sent.

        Raises:
            ConfigError: it cannot be read, or it is at a URL or a provider and not here.
        """
        return self._source.read()

    @property
    def base64(self) -> str:
        """The content as base64 text. Raises what `data` raises."""
        return b64encode(self.data).decode("ascii")

    @property
    def media_type(self) -> str | None:
        """Its type, told by the content; else by what it was said to be, else by its name. None: nothing tells.

        Raises:
            ConfigError: the local file cannot be read.
        """
        return self._own_type

    @property
    def data_url(self) -> str:
        """The content as a data URL with its media type. Raises what `data` and `media_type` raise."""
        return f"data:{self.media_type};base64,{self.base64}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex of the whole content and of every option that reaches the provider.

        A URL and a file id stand for their content. Raises what `data` raises for a local file.
        """
        return self._fact("fingerprint", self._hash)

    # --- as each provider's format writes it; the dialects do

    def oa_chat(self) -> dict[str, Any]:
        """The content part of OpenAI's chat completions. Like its siblings it shares nothing with this value.

        Raises:
            ConfigError: it cannot be read, or has no form there; so with its siblings.
        """
        return self._written("openai_chat_media")

    def oa_resp(self) -> dict[str, Any]:
        """The content part of OpenAI's Responses API."""
        return self._written("openai_responses_media", "dump_media")

    def anthropic(self) -> dict[str, Any]:
        """The content block of Anthropic's messages."""
        return self._written("anthropic_media")

    def gemini(self) -> dict[str, Any]:
        """The part of Gemini's contents."""
        return self._written("gemini_media")

    def mistral(self) -> dict[str, Any]:
        """The content chunk of Mistral's chat completions."""
        return self._written("mistral_media")

    def _written(self, dialect: str, function: str | None = None) -> dict[str, Any]:
        # Imported late: a dialect knows all parts, and this is one of them.
        module = import_module(f"deluge_sync.prompt.dialects.{dialect}")
        written: dict[str, Any] = getattr(module, function or f"dump_{type(self).__name__.lower()}")(self)
        return written

    # --- kept at a provider

    async def as_remote(
        self, provider: str, *, api_key: str | Secret | None = None, base_url: str | None = None
    ) -> Self:
        """`as_remote_sync`, awaited. If its task is cancelled, the upload goes on to its end."""
        from deluge_sync.prompt.remote import in_thread

        return await in_thread(lambda: self.as_remote_sync(provider, api_key=api_key, base_url=base_url))

    def as_remote_sync(
        self, provider: str, *, api_key: str | Secret | None = None, base_url: str | None = None
    ) -> Self:
        """The same, named by its id at "openai", "anthropic" or "gemini" (or "google"), where it can be used by then.

        It is uploaded as a prompt would send it, with its own media type, and once: in this process the same content,
        under the same name, with the same key, gets the same id as long as the provider keeps it. What is at a URL is
        fetched first. An error that may pass is tried again, five times in all. The key and the base URL are those of
        the environment unless given. May be called from any number of threads.

        Raises:
            ConfigError: there is no such provider or no key, the content cannot be read, is known to another
                provider only, or is of no use to this one.
            ApiStatusError, TransportError, ReplyFormatError: the upload failed.
            DeadlineExceededError: the provider was not done with it in time, five minutes.
        """
        from deluge_sync.prompt import remote  # loads what speaks to providers, which no plain prompt needs

        return remote.upload(self, provider, api_key=api_key, base_url=base_url)

    async def delete(self, *, api_key: str | Secret | None = None, base_url: str | None = None) -> None:
        """`delete_sync`, awaited."""
        from deluge_sync.prompt.remote import in_thread

        await in_thread(lambda: self.delete_sync(api_key=api_key, base_url=base_url))

    def delete_sync(self, *, api_key: str | Secret | None = None, base_url: str | None = None) -> None:
        """Delete it at its provider, for all that name it by this id. What is not there any more is deleted already.

        What this process uploaded is deleted with the key and base URL that it was uploaded with, anything else with
        those of the environment, unless they are given.

        Raises:
            ConfigError: it is at no provider that we can delete from, or there is no key.
            ApiStatusError, TransportError: the provider did not delete it.
        """
        from deluge_sync.prompt import remote

        remote.delete(self, api_key=api_key, base_url=base_url)

    def uploaded(self, file_id: str, provider: str, media_type: str) -> Self:
        """The same, known to a provider by this id; `media_type` is what was uploaded."""
        return self._changed(_source=Uploaded(file_id, provider), _declared=media_type)

    # --- what storage asks for

    @property
    def original(self) -> bytes | None:
        """The content as it came, before anything was made smaller; None when it is not here.

        Raises:
            ConfigError: it cannot be read.
        """
        return self._source.read() if self.has_content else None

    @property
    def original_type(self) -> str | None:
        """The type of `original`; of what is elsewhere, the type it was said to be. Raises what `original` raises."""
        return self._own_type if self.has_content else self._declared

    def with_content(self, content: bytes, told: str | None = None) -> Self:
        """The same with this content in the place of its URL; `told` is what its server said that it is.

        What the user said goes first, then what the server says, unless that is what servers say of everything.
        """
        declared = self._declared or (told if told not in _SAID_OF_EVERYTHING else None)
        return self._changed(_source=Inline(content), _declared=declared or type_of_name(self.name))

    # --- what the kinds add

    def _options(self) -> dict[str, Any]:
        """What changes the request beside the content; JSON-ready, without what is at its default."""
        return {}

    def _hash(self) -> str:
        said = [type(self).__name__, self._identity(), self._own_type, self._options(), self._extra]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=dict).encode("ascii")).hexdigest()

    def _identity(self) -> list[str]:
        match self._source:
            case Remote(url):
                return ["url", url]
            case Uploaded(file_id, provider):
                return ["file", provider, file_id]
            case source:
                return ["sha256", hashlib.sha256(source.read()).hexdigest()]

    # --- what they share

    @property
    def _own_type(self) -> str | None:
        """The type of the content as it came."""
        return self._fact("type", self._find_type)

    def _find_type(self) -> str | None:
        sniffed = sniff(self._source.read(HEAD_BYTES)) if self.has_content else None
        return sniffed or self._declared or type_of_name(self.name)

    @property
    def has_content(self) -> bool:
        """The content is here or in a local file, not at a URL or a provider."""
        return isinstance(self._source, Inline | LocalFile)

    @property
    def name(self) -> str | None:
        """The last part of its path or URL; None when it has neither."""
        match self._source:
            case LocalFile(path):
                return PurePath(path).name or None
            case Remote(url):
                return unquote(urlsplit(url).path).rpartition("/")[2] or None
        return None

    def _fact(self, name: str, find: Callable[[], T]) -> T:
        """What `find` gives, kept for as long as a local file stays as it is."""
        stamp = self._source.stamp()
        if self._facts[0] != stamp:
            self._facts = (stamp, {})
        known = self._facts[1]
        if name not in known:
            known[name] = find()
        return known[name]  # type: ignore[no-any-return]  # a dict of facts of many types

    def _changed(self, **slots: Any) -> Self:
        """The same with other values in some slots."""
        other = object.__new__(type(self))
        for kind in type(self).__mro__:
            for slot in getattr(kind, "__slots__", ()):
                setattr(other, slot, getattr(self, slot))
        other._facts = ((), {})
        for slot, value in slots.items():
            setattr(other, slot, value)
        return other

    def _key(self) -> tuple[Any, ...]:
        return self._source, self._declared, tuple(self._options().items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Media) or type(self) is not type(other):
            return NotImplemented
        return self._key() == other._key() and self._extra == other._extra

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def __str__(self) -> str:
        return f"{type(self).__name__.lower()} {self._source}"

    def __repr__(self) -> str:
        said = {"media_type": self._declared, **self._options()}
        options = "".join(f", {name}={value!r}" for name, value in said.items() if value is not None)
        return f"{type(self).__name__}(<{self._source}>{options})"


def checked_type(media_type: object) -> str | None:
    """The media type in small letters; None for None.

    Raises:
        ConfigError: it is none.
    """
    if media_type is None:
        return None
    if not isinstance(media_type, str) or "/" not in media_type:
        raise ConfigError(f"media_type is a text like 'image/png'; got {media_type!r:.80}")
    return media_type.lower()

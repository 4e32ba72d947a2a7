"""Uploads to the embedded provider, in the format of each; the official packages look at what came of them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from deluge_sync.errors import ApiStatusError, ConfigError, DeadlineExceededError, TransportError
from deluge_sync.prompt import Conversation, File, Image, Message
from deluge_sync.prompt.remote import Uploads
from deluge_sync.testing import FakeProvider, Reply, RequestRecord

Picture = Callable[..., bytes]

KEY = "sk-test-0123456789"
NAMES = ("openai", "anthropic", "gemini")


@dataclass
class Place:
    """A provider with its file API, and `Uploads` of its own that wait for nothing."""

    name: str
    provider: FakeProvider
    uploads: Uploads
    pauses: list[float]
    options: dict[str, Any] = field(default_factory=dict)

    def upload(self, media: Any, **options: Any) -> Any:
        return self.uploads.upload(media, self.name, **{**self.options, **options})

    def asked(self) -> list[str]:
        """What was asked for, each as method and path without numbers: `POST /v1/files`."""
        return [f"{record.method} {re.sub(r'[0-9]{6,}', 'N', record.path)}" for record in self.provider.ledger]

    def uploaded(self) -> int:
        """How many files were uploaded."""
        return sum(one == f"POST {LAST_STEP[self.name]}" for one in self.asked())


LAST_STEP = {
    "openai": "/v1/files",
    "anthropic": "/anthropic/v1/files",
    "gemini": "/gemini/upload/v1beta/files/N",
}


@dataclass
class Clock:
    """Unix time and a measure of time in one; a pause moves it."""

    at: float

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def place_of(fake_provider: FakeProvider, clock: Clock) -> Callable[[str], Place]:
    def make(name: str) -> Place:
        pauses: list[float] = []

        def wait(seconds: float) -> None:
            pauses.append(seconds)
            clock.at += seconds

        urls = {
            "openai": fake_provider.openai_url,
            "anthropic": f"{fake_provider.anthropic_url}/v1",
            "gemini": f"{fake_provider.gemini_url}/v1beta",
        }
        uploads = Uploads(now=clock, clock=clock, wait=wait, chance=lambda: 1.0)
        return Place(name, fake_provider, uploads, pauses, {"api_key": KEY, "base_url": urls[name]})

    return make


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    return place_of(request.param)


@pytest.fixture
def png(picture: Picture) -> bytes:
    return picture((30, 20))


# --- the judges


def test_what_is_at_openai_is_what_was_here(place_of: Callable[[str], Place], png: bytes) -> None:
    place = place_of("openai")
    image, file = place.upload(Image(png)), place.upload(File(b"a,b\n", filename="größe.csv"))
    with openai.OpenAI(api_key=KEY, base_url=place.provider.openai_url, max_retries=0) as client:
        stored = client.files.retrieve(image.file_id)
        assert (stored.filename, stored.purpose, stored.bytes) == ("image.png", "vision", len(png))
        assert client.files.content(image.file_id).content == png
        stored = client.files.retrieve(file.file_id)
        assert (stored.filename, stored.purpose, stored.bytes) == ("größe.csv", "user_data", 4)
        place.uploads.delete(file)
        assert [each.id for each in client.files.list()] == [image.file_id]


def test_what_is_at_anthropic_is_what_was_here(place_of: Callable[[str], Place], png: bytes) -> None:
    place = place_of("anthropic")
    image, file = place.upload(Image(png)), place.upload(File(b"%PDF-1.7", filename='a/b:"c".pdf'))
    with anthropic.Anthropic(api_key=KEY, base_url=place.provider.anthropic_url, max_retries=0) as client:
        stored = client.beta.files.retrieve_metadata(image.file_id)
        assert (stored.filename, stored.mime_type, stored.size_bytes) == ("image.png", "image/png", len(png))
        stored = client.beta.files.retrieve_metadata(file.file_id)
        assert (stored.filename, stored.mime_type) == ("a_b__c_.pdf", "application/pdf")
        place.uploads.delete(file)
        assert [each.id for each in client.beta.files.list()] == [image.file_id]


def test_what_is_at_gemini_is_what_was_here(place_of: Callable[[str], Place], png: bytes) -> None:
    place = place_of("gemini")
    image, file = place.upload(Image(png)), place.upload(File(b"a,b\n", filename="a.csv"))
    with genai.Client(api_key=KEY, http_options={"base_url": place.provider.gemini_url}) as client:
        stored = {each.uri: each for each in client.files.list()}
        assert set(stored) == {image.file_id, file.file_id}
        assert (stored[image.file_id].mime_type, stored[image.file_id].size_bytes) == ("image/png", len(png))
        assert (stored[file.file_id].mime_type, stored[file.file_id].display_name) == ("text/csv", "a.csv")
        place.uploads.delete(file)
        assert [each.uri for each in client.files.list()] == [image.file_id]


# --- what comes back


def test_an_uploaded_image_keeps_what_it_is(place: Place, png: bytes) -> None:
    image = place.upload(Image(png, detail="high", extra={"anthropic": {"cache_control": {}}}))
    assert (image.provider, image.media_type, image.detail) == (place.name, "image/png", "high")
    assert image.extra == {"anthropic": {"cache_control": {}}}
    assert not image.has_content


def test_an_uploaded_file_keeps_what_it_is(place: Place) -> None:
    file = place.upload(File(b"%PDF-1.7", filename="report.pdf"))
    assert (file.provider, file.media_type, file.filename) == (place.name, "application/pdf", "report.pdf")
    assert place.upload(File(b"%PDF-1.7")).filename is None


def test_an_image_is_uploaded_as_it_would_be_sent(place_of: Callable[[str], Place], picture: Picture) -> None:
    place = place_of("openai")
    image = place.upload(Image(picture((40, 20), "BMP"), max_size=10))
    assert (image.media_type, image.max_size) == ("image/png", None)
    [stored] = [record for record in place.provider.ledger if record.method == "POST"]
    assert Image(stored.body[stored.body.index(b"\x89PNG") :]).size == (10, 5)
    assert b'filename="image.png"' in stored.body


def test_an_uploaded_image_can_be_asked_about(place: Place, png: bytes) -> None:
    image = place.upload(Image(png))
    written = {"openai": "oa_resp", "anthropic": "anthropic", "gemini": "gemini"}
    assert image.file_id in json.dumps(getattr(image, written[place.name])())


def test_what_is_there_already_stays_the_same_object(place: Place) -> None:
    file = File(file_id="file-1", provider=place.name)
    assert place.upload(file) is file
    assert place.asked() == []


def test_google_is_gemini(place_of: Callable[[str], Place]) -> None:
    place = place_of("gemini")
    file = place.uploads.upload(File(b"x"), "google", **place.options)
    assert file.provider == "gemini"
    assert place.upload(File(b"x")) == file


def test_an_unknown_provider_and_a_file_of_another_are_refused(place: Place) -> None:
    with pytest.raises(ConfigError, match="uploaded to openai, anthropic, gemini, not to 'mistral'"):
        place.uploads.upload(File(b"x"), "mistral", api_key=KEY)
    with pytest.raises(ConfigError, match="is not known to"):
        place.upload(File(file_id="f", provider="mistral"))


def test_without_a_key_it_is_said_which_is_missing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigError, match=f"no API key for {place.name}"):
        place.upload(File(b"x"), api_key=None)


def test_a_private_url_is_not_fetched_to_be_uploaded(place: Place) -> None:
    with pytest.raises(ConfigError, match="cannot be fetched"):
        place.upload(File("https://127.0.0.1/a.pdf"))
    assert place.asked() == []


# --- once


def test_the_same_content_is_uploaded_once(place: Place, png: bytes) -> None:
    first = place.upload(Image(png))
    again = place.upload(Image(png, detail="low"))
    assert (again.file_id, again.detail) == (first.file_id, "low")
    assert place.uploaded() == 1


@pytest.mark.parametrize(
    ("media", "options"),
    [
        (File(b"y", filename="a.txt"), {}),
        (File(b"x", filename="b.txt"), {}),
        (File(b"x", filename="a.txt", media_type="text/csv"), {}),
        (File(b"x", filename="a.txt"), {"api_key": "sk-another-0123456"}),
    ],
    ids=["content", "name", "type", "key"],
)
def test_what_differs_is_uploaded_anew(media: File, options: dict[str, str], place: Place) -> None:
    first = place.upload(File(b"x", filename="a.txt"))
    assert place.upload(media, **options).file_id != first.file_id
    assert place.uploaded() == 2


def test_many_threads_upload_the_same_content_once(place: Place, png: bytes) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold(_: RequestRecord) -> None:
        begun.release()
        assert go_on.wait(10)

    place.provider.use_script(hold)
    with ThreadPoolExecutor(8) as pool:
        uploads = [pool.submit(place.upload, Image(png)) for _ in range(8)]
        assert begun.acquire(timeout=10)
        go_on.set()
        assert len({upload.result(10).file_id for upload in uploads}) == 1
    assert place.uploaded() == 1


def test_a_failed_upload_is_not_remembered(place: Place) -> None:
    place.provider.use_script([Reply.error(400)])
    with pytest.raises(ApiStatusError):
        place.upload(File(b"x"))
    assert place.upload(File(b"x")).file_id


def test_a_file_that_ends_soon_is_uploaded_anew(place_of: Callable[[str], Place], clock: Clock) -> None:
    """Gemini keeps files for 48 hours and says so."""
    place = place_of("gemini")
    first = place.upload(File(b"x"))
    clock.at += 46.9 * 3600
    assert place.upload(File(b"x")) == first
    clock.at += 0.2 * 3600
    assert place.upload(File(b"x")) != first
    assert place.uploaded() == 2


# --- trouble


@pytest.mark.parametrize("trouble", [Reply.error(503), Reply.error(429), Reply.reset()], ids=["503", "429", "reset"])
def test_trouble_that_passes_is_waited_out(trouble: Reply, place: Place) -> None:
    place.provider.use_script([trouble, trouble])
    assert place.upload(File(b"x")).file_id
    assert place.pauses == [0.5, 1.0]


def test_trouble_that_stays_is_raised_after_five_times(place: Place) -> None:
    place.provider.use_script(lambda _: Reply.error(503))
    with pytest.raises(ApiStatusError) as caught:
        place.upload(File(b"x"))
    assert (caught.value.status, len(place.pauses)) == (503, 4)


def test_what_the_provider_refuses_is_raised_at_once(place: Place) -> None:
    place.provider.use_script(lambda _: Reply.error(401))
    with pytest.raises(ApiStatusError) as caught:
        place.upload(File(b"x"))
    assert (caught.value.status, place.pauses) == (401, [])
    assert KEY not in str(caught.value)


def test_no_connection_is_raised_as_for_prompts(place: Place) -> None:
    place.provider.stop()
    with pytest.raises(TransportError) as caught:
        place.upload(File(b"x"))
    assert caught.value.kind == "connect"


# --- until it can be used

OPENAI_FILE = {
    "object": "file",
    "id": "file-00000001",
    "bytes": 1,
    "created_at": 1,
    "filename": "x",
    "purpose": "vision",
}
GEMINI_FILE = {"name": "files/abc", "uri": "https://example.com/v1beta/files/abc", "mimeType": "text/plain"}
STATES: dict[str, dict[str, dict[str, Any]]] = {
    "openai": {
        "busy": OPENAI_FILE | {"status": "uploaded"},
        "ready": OPENAI_FILE | {"status": "processed"},
        "failed": OPENAI_FILE | {"status": "error", "status_details": "no such format"},
    },
    "gemini": {
        "busy": GEMINI_FILE | {"state": "PROCESSING"},
        "ready": GEMINI_FILE | {"state": "ACTIVE"},
        "failed": GEMINI_FILE | {"state": "FAILED", "error": {"code": 3, "message": "no such format"}},
    },
}


@pytest.fixture(params=STATES)
def slow(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Callable[..., Place]:
    """`slow("busy", "ready")` is a provider whose files go through these states, one at each look."""

    def make(*states: str) -> Place:
        place = place_of(request.param)
        pending: Iterator[str] = iter(states)
        last = states[-1]

        def answer(record: RequestRecord) -> Reply | None:
            if record.method == "DELETE" or record.path.endswith("/upload/v1beta/files"):
                return None
            document = STATES[place.name][next(pending, last)]
            is_upload = place.name == "gemini" and record.method == "POST"
            body = json.dumps({"file": document} if is_upload else document).encode()
            return Reply.raw(200, {"content-type": "application/json"}, body)

        place.provider.use_script(answer)
        return place

    return make


def test_an_upload_ends_when_the_file_can_be_used(slow: Callable[..., Place]) -> None:
    place = slow("busy", "busy", "ready")
    assert place.upload(File(b"x")).file_id in ("file-00000001", "https://example.com/v1beta/files/abc")
    assert [one.split()[0] for one in place.asked()][-2:] == ["GET", "GET"]
    assert place.pauses == [0.5, 0.75]


def test_a_file_that_the_provider_cannot_use_is_told_and_deleted(slow: Callable[..., Place]) -> None:
    place = slow("busy", "failed")
    with pytest.raises(ConfigError, match=r"cannot use the uploaded file .*: no such format"):
        place.upload(File(b"x"))
    assert place.asked()[-1].startswith("DELETE")


def test_a_provider_that_is_never_done_is_waited_for_five_minutes(slow: Callable[..., Place]) -> None:
    place = slow("busy")
    with pytest.raises(DeadlineExceededError, match="within 300 s"):
        place.upload(File(b"x"))
    assert 300 <= sum(place.pauses) <= 305
    assert place.asked()[-1].startswith("DELETE")


# --- deleting


def test_deleting_twice_is_deleting(place: Place) -> None:
    file = place.upload(File(b"x"))
    for _ in range(2):  # with the key that it was uploaded with
        place.uploads.delete(file)
    assert [one.split()[0] for one in place.asked()][-2:] == ["DELETE", "DELETE"]
    Uploads(wait=lambda _: None).delete(file, **place.options)


def test_what_was_deleted_is_uploaded_anew(place: Place) -> None:
    first = place.upload(File(b"x"))
    place.uploads.delete(first)
    assert place.upload(File(b"x")).file_id != first.file_id


@pytest.mark.parametrize("status", [401, 403, 500])
def test_an_error_that_does_not_say_it_is_gone_is_raised(status: int, place: Place) -> None:
    file = place.upload(File(b"x"))
    place.provider.use_script(lambda _: Reply.error(status, message="no"))
    with pytest.raises(ApiStatusError):
        place.uploads.delete(file)


def test_what_is_at_no_provider_cannot_be_deleted_there(place: Place) -> None:
    with pytest.raises(ConfigError, match="at no provider"):
        place.uploads.delete(File(b"x"))


# --- as users call it


def test_the_methods_of_media_and_messages_upload_and_delete(place_of: Callable[[str], Place], png: bytes) -> None:
    place = place_of("openai")
    options = {**place.options, "api_key": "sk-of-this-test-alone"}
    image = Image(png).as_remote_sync("openai", **options)
    message = Message.user("Look:").with_part(image).with_remote_file_sync(b"x", filename="a.txt", **options)
    message.add_remote_file_sync(Image(png), "openai", **options)
    ids = [part["file_id"] for part in Conversation([message]).to_openai_responses()[0]["content"][1:]]
    assert ids == [image.file_id, message.files[0].file_id, image.file_id]
    assert place.uploaded() == 2
    for media in (*message.images, *message.files):
        media.delete_sync()


def test_the_awaitable_methods_do_the_same(place_of: Callable[[str], Place], png: bytes) -> None:
    place = place_of("openai")
    options = {**place.options, "api_key": "sk-of-this-test-alone-2"}

    async def use() -> Message:
        images = await asyncio.gather(*(Image(png).as_remote("openai", **options) for _ in range(5)))
        assert len({image.file_id for image in images}) == 1
        message = await Message.user("Look:").with_remote_file(b"x", filename="a.txt", **options)
        with pytest.raises(ConfigError):
            await message.with_remote_file(b"x", "mistral")
        await asyncio.gather(images[0].delete(), message.files[0].delete())
        return message

    message = asyncio.run(use())
    assert [type(part).__name__ for part in message.parts] == ["Text", "File"]
    assert place.uploaded() == 2


def test_the_loop_goes_on_while_an_upload_is_waited_for(place_of: Callable[[str], Place]) -> None:
    place = place_of("openai")
    looped = threading.Event()

    def hold(_: RequestRecord) -> None:
        assert looped.wait(10)

    place.provider.use_script(hold)

    async def use() -> File:
        upload = asyncio.ensure_future(File(b"z").as_remote("openai", **place.options))
        await asyncio.sleep(0)
        looped.set()
        return await upload

    file = asyncio.run(use())
    assert file.file_id
    file.delete_sync()


def test_a_url_is_fetched_and_then_uploaded(place_of: Callable[[str], Place]) -> None:
    place = place_of("openai")

    class Fetched:
        def fetch(self, media: Any) -> Any:
            return media.with_content(b"%PDF-1.7", "application/pdf")

    uploads = Uploads(fetcher=Fetched())  # type: ignore[arg-type]  # all that is asked of a fetcher
    file = uploads.upload(File("https://example.com/report"), "openai", **place.options)
    assert (file.media_type, file.filename, place.uploaded()) == ("application/pdf", "report", 1)

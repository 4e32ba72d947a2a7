"""What is fetched for which format, and that each URL is downloaded once. How safely is tested in `tests/http`."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation, File, Image, Message, Text, ToolCall, ToolResult
from deluge_sync.prompt.fetching import Fetcher, needs_fetch

Picture = Callable[..., bytes]

SPECS = ("openai", "openai-responses", "anthropic", "gemini", "mistral", "bedrock")


class Site:
    """An https server on loopback: `pages` by path, each a status, a type and a body, or several for one ask each."""

    def __init__(self, pem: Path) -> None:
        self.pages: dict[str, list[tuple[int, str, bytes]]] = {}
        self.asked: list[str] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.begun.release()
                site.open.wait(10)
                rest = site.pages[self.path]
                status, kind, body = rest.pop(0) if len(rest) > 1 else rest[0]
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def put(self, path: str, *pages: tuple[int, str, bytes]) -> str:
        self.pages[path] = list(pages)
        return f"https://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def site(loopback_pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(loopback_pem))
    with closing(Site(loopback_pem)) as site:
        yield site


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetcher(site: Site, pauses: list[float], clock: Clock) -> Iterator[Fetcher]:  # noqa: ARG001  (makes it trusted)
    """Takes every address for public, waits for nothing, and keeps 10,000 bytes."""
    fetcher = Fetcher(accepts=lambda _: True, kept_bytes=10_000, clock=clock, chance=lambda: 1.0, wait=pauses.append)
    with closing(fetcher):
        yield fetcher


# --- what needs it

PDF, TEXT, NAMELESS = (f"https://example.com/{name}" for name in ("a.pdf", "a.txt", "a"))
NEEDED = {
    "openai": {"a file", "a text file", "a nameless file"},
    "openai-responses": set(),
    "anthropic": {"a text file"},
    "gemini": set(),
    "mistral": set(),
    "bedrock": {"an image", "a file", "a text file", "a nameless file"},
    "no such format": set(),
}
MEDIA: dict[str, Image | File] = {
    "an image": Image("https://example.com/a.png"),
    "a file": File(PDF),
    "a text file": File(TEXT),
    "a nameless file": File(NAMELESS),
}


@pytest.mark.parametrize("spec", NEEDED)
def test_a_format_needs_just_what_it_cannot_pass_on(spec: str) -> None:
    needed = {
        name
        for name, media in MEDIA.items()
        if needs_fetch(Conversation([Message.user("Look:").with_part(media)]), spec) == [media]
    }
    assert needed == NEEDED[spec]


@pytest.mark.parametrize("spec", SPECS)
def test_an_image_that_shall_be_smaller_is_needed_everywhere(spec: str) -> None:
    image = Image("https://example.com/a.png", max_size=100)
    assert needs_fetch(Conversation.user("Look:", image=image), spec) == [image]


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_here_or_uploaded_needs_nothing(spec: str) -> None:
    message = Message.user("Look:").with_image(b"\x89PNG\r\n\x1a\n").with_file(b"text")
    message.with_part(File(file_id="file-1", provider="openai")).with_image("not_read.png")
    assert needs_fetch(Conversation([message]), spec) == []


def test_what_tools_gave_is_needed_and_what_the_model_said_is_not() -> None:
    shown, drawn = Image("https://example.com/a.png"), Image("https://example.com/b.png")
    conversation = Conversation(
        [
            Message.user("Draw."),
            Message("assistant", [drawn, ToolCall("c1", "look", {})]),
            Message("tool", [ToolResult("c1", [Text("here"), shown]), ToolResult("c2", "nothing")]),
        ]
    )
    assert needs_fetch(conversation, "bedrock") == [shown]


# --- filling


def test_a_conversation_that_needs_nothing_stays_the_same_object(fetcher: Fetcher) -> None:
    conversation = Conversation.user("Look:", image="https://example.com/a.png")
    assert fetcher.fill(conversation, "openai") is conversation


def test_the_content_takes_the_place_of_the_url(fetcher: Fetcher, site: Site, picture: Picture) -> None:
    png = picture((4, 3))
    image = Image(site.put("/a", (200, "image/jpeg", png)), detail="high", extra={"bedrock": {"x": 1}})
    file = File(site.put("/report.pdf", (200, "application/octet-stream", b"%PDF-1.7 x")))
    conversation = Conversation(
        [
            Message.user("Look:").with_part(image),
            Message("tool", [ToolResult("c1", [Text("here"), file], is_error=True, extra={"bedrock": {"y": 2}})]),
        ]
    )
    before = conversation.copy()
    filled = fetcher.fill(conversation, "bedrock")
    assert filled.messages == [
        Message.user("Look:").with_part(Image(png, detail="high", extra={"bedrock": {"x": 1}})),
        Message(
            "tool",
            [
                ToolResult(
                    "c1",
                    [Text("here"), File(b"%PDF-1.7 x", filename="report.pdf")],
                    is_error=True,
                    extra={"bedrock": {"y": 2}},
                )
            ],
        ),
    ]
    assert conversation == before
    [part] = filled[0].images
    assert (part.media_type, part.size) == ("image/png", (4, 3))


def test_an_image_is_made_smaller_after_it_was_fetched(fetcher: Fetcher, site: Site, picture: Picture) -> None:
    image = Image(site.put("/a", (200, "image/png", picture((40, 20)))), max_size=10)
    [filled] = fetcher.fill(Conversation.user("Look:", image=image), "openai")[0].images
    assert (filled.size, Image(filled.data).size) == ((10, 5), (10, 5))


@pytest.mark.parametrize(
    ("name", "declared", "told", "kind"),
    [
        ("a.csv", None, "text/plain", "text/csv"),
        ("a.csv", None, "application/octet-stream", "text/csv"),
        ("a", None, "application/json", "application/json"),
        ("a.csv", "text/markdown", "application/json", "text/markdown"),
        ("a", None, "text/plain", "text/plain"),
        ("a.pdf", None, "text/html", "text/html"),
    ],
)
def test_the_type_of_a_file_is_what_the_user_says_then_its_server_then_its_name(
    name: str, declared: str | None, told: str, kind: str, fetcher: Fetcher, site: Site
) -> None:
    file = File(site.put(f"/{name}", (200, told, b"x,y\n1,2\n")), media_type=declared)
    found = fetcher.fetch(file)
    assert (found.media_type, found.data) == (kind, b"x,y\n1,2\n")


def test_a_page_in_the_place_of_an_image_is_told(fetcher: Fetcher, site: Site) -> None:
    found = fetcher.fetch(Image(site.put("/a.png", (200, "text/html", b"<html>Log in</html>"))))
    with pytest.raises(ConfigError, match="no image that we know but text/html"):
        _ = found.data


def test_what_cannot_be_fetched_is_told_without_the_secrets_of_its_url(fetcher: Fetcher, site: Site) -> None:
    url = site.put("/a.pdf?token=hidden", (404, "text/plain", b""))
    with pytest.raises(ConfigError) as caught:
        fetcher.fill(Conversation.user("Look:", file=url), "openai")
    assert str(caught.value).endswith("/a.pdf' cannot be fetched: its server answered with status 404")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://example.com/a.pdf", "https://127.0.0.1/a.pdf", "https://localhost/a.pdf"])
def test_only_public_https_urls_are_fetched(url: str) -> None:
    with closing(Fetcher()) as public_only, pytest.raises(ConfigError, match=r"cannot be fetched: .*pass the content"):
        public_only.fill(Conversation.user("Look:", file=url), "openai")


# --- trying again


def test_trouble_that_passes_is_waited_out(fetcher: Fetcher, site: Site, pauses: list[float]) -> None:
    busy = (503, "text/plain", b"")
    file = File(site.put("/a", busy, busy, (200, "text/plain", b"here")))
    assert fetcher.fetch(file).data == b"here"
    assert (site.asked, pauses) == (["/a"] * 3, [0.5, 1.0])


def test_trouble_that_does_not_pass_ends_after_three_times(fetcher: Fetcher, site: Site) -> None:
    file = File(site.put("/a", (503, "text/plain", b"")))
    with pytest.raises(ConfigError, match="status 503"):
        fetcher.fetch(file)
    assert site.asked == ["/a"] * 3


def test_a_fetcher_that_is_closed_tries_nothing_again(fetcher: Fetcher, site: Site) -> None:
    fetcher.close()
    with pytest.raises(ConfigError, match="status 503"):
        fetcher.fetch(File(site.put("/a", (503, "text/plain", b""))))
    assert site.asked == ["/a"]


# --- once


def test_many_threads_download_a_url_once(fetcher: Fetcher, site: Site) -> None:
    file = File(site.put("/a", (200, "text/plain", b"here")))
    conversation = Conversation.user("Look:", file=file)
    site.open.clear()
    with ThreadPoolExecutor(16) as pool:
        fills = [pool.submit(fetcher.fill, conversation, "openai") for _ in range(16)]
        assert site.begun.acquire(timeout=10)
        site.open.set()
        assert [fill.result(10)[0].files[0].data for fill in fills] == [b"here"] * 16
    assert site.asked == ["/a"]


def test_the_contents_of_a_prompt_are_downloaded_at_the_same_time(fetcher: Fetcher, site: Site) -> None:
    message = Message.user("Look:")
    for number in range(5):
        message.with_file(site.put(f"/{number}", (200, "text/plain", b"%d" % number)))
    site.open.clear()
    with ThreadPoolExecutor(1) as pool:
        fill = pool.submit(fetcher.fill, Conversation([message]), "openai")
        for _ in range(5):  # none is answered before all are asked for
            assert site.begun.acquire(timeout=10)
        site.open.set()
        assert [file.data for file in fill.result(10)[0].files] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_url_that_comes_twice_in_a_prompt_is_downloaded_once(fetcher: Fetcher, site: Site) -> None:
    url = site.put("/a", (200, "text/plain", b"here"))
    filled = fetcher.fill(Conversation([Message.user("").with_file(url).with_file(url, filename="b")]), "openai")
    assert [(file.data, file.filename) for file in filled[0].files] == [(b"here", "a"), (b"here", "b")]
    assert site.asked == ["/a"]


def test_content_is_kept_for_five_minutes(fetcher: Fetcher, site: Site, clock: Clock) -> None:
    file = File(site.put("/a", (200, "text/plain", b"old"), (200, "text/plain", b"new")))
    found = []
    for now in (0.0, 299.0, 301.0):
        clock.now = now
        found.append(fetcher.fetch(file).data)
    assert found == [b"old", b"old", b"new"]


def test_a_failure_is_kept_for_half_a_minute(fetcher: Fetcher, site: Site, clock: Clock) -> None:
    file = File(site.put("/a", (404, "text/plain", b""), (200, "text/plain", b"here")))
    for now in (0.0, 29.0):
        clock.now = now
        with pytest.raises(ConfigError, match="404"):
            fetcher.fetch(file)
    clock.now = 31.0
    assert fetcher.fetch(file).data == b"here"
    assert site.asked == ["/a"] * 2


def test_what_was_used_longest_ago_is_forgotten_first(fetcher: Fetcher, site: Site) -> None:
    files = [File(site.put(f"/{number}", (200, "text/plain", bytes(3_000)))) for number in range(4)]
    for place in (0, 1, 0, 2, 0, 1):  # two of them fit
        fetcher.fetch(files[place])
    assert site.asked == ["/0", "/1", "/2", "/1"]


def test_content_larger_than_all_that_is_kept_is_used_and_forgotten(fetcher: Fetcher, site: Site) -> None:
    file = File(site.put("/a", (200, "text/plain", bytes(20_000))))
    assert [len(fetcher.fetch(file).data) for _ in range(2)] == [20_000, 20_000]
    assert site.asked == ["/a"] * 2

"""The report in a real browser: what it loads, says and looks like. Skipped where there is no Chromium."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deluge_sync.cli import main

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (on Debian: apt-get install chromium)")

EVIL = "<script>document.title='owned'</script></pre></details><img src=http://127.0.0.1:9/x onerror=alert(1)>"
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC).timestamp()
LONG_NAME = "accounts/fireworks/models/llama-v3p1-nemotron-70b-instruct"

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

# Every piece of text that is shown: where it is (cut by what hides its overflow), its colour and what is behind it.
TEXTS = """
(() => {
  const shown = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/rgba\\(.*, 0\\)|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (let number = 0; walker.nextNode(); number++) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest("svg")) continue;
    if (!parent.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      let box = [rect.left, rect.top, rect.right, rect.bottom];
      for (let one = parent; one !== document.body; one = one.parentElement) {
        if (getComputedStyle(one).overflow === "visible") continue;
        const clip = one.getBoundingClientRect();
        box = [Math.max(box[0], clip.left), Math.max(box[1], clip.top),
               Math.min(box[2], clip.right), Math.min(box[3], clip.bottom)];
      }
      if (box[2] - box[0] > 1 && box[3] - box[1] > 1)
        shown.push({ node: number,
                     text: node.data.trim().slice(0, 60), box, size: parseFloat(getComputedStyle(parent).fontSize),
                     colour: getComputedStyle(parent).color, behind: behind(parent) });
    }
  }
  return shown;
})()
"""


class Browser:
    """A headless Chromium, spoken to over two pipes. Notes what the page asks for and complains about."""

    def __init__(self, profile: Path) -> None:
        command_out, self._write = os.pipe()
        self._read, event_in = os.pipe()
        # Chromium reads commands from descriptor 3 and writes to 4; the shell puts the pipes there.
        flags = " ".join([*_FLAGS, f"--user-data-dir={profile}"])
        script = f'exec "$0" {flags} about:blank 3<&{command_out} 4>&{event_in}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, str(CHROMIUM)],
            pass_fds=(command_out, event_in),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_out)
        os.close(event_in)
        self.requests: list[str] = []
        self.complaints: list[Any] = []
        self._buffer = b""
        self._last_id = 0
        self._session: str | None = None
        self._is_loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        os.close(self._read)
        os.close(self._write)

    def send(self, method: str, **params: Any) -> Any:
        """Call a method of the DevTools protocol and wait for what it gives."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("id") == self._last_id:
                assert "error" not in reply, reply
                return reply["result"]

    def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        self._is_loaded = False
        self.send("Page.navigate", url=url)
        while not self._is_loaded:
            self._next()

    def evaluate(self, expression: str) -> Any:
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def show(self, *, width: int, scheme: str) -> None:
        """As a window of this width, light or dark."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self) -> Image.Image:
        """The whole page."""
        data = self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")

    def _next(self) -> Any:
        deadline = time.monotonic() + 60
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium says nothing"
            piece = os.read(self._read, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        told = json.loads(message)
        self._note(told.get("method"), told.get("params", {}))
        return told

    def _note(self, method: str | None, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif (
            method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
            or method == "Page.javascriptDialogOpening"
        ):
            self.complaints.append(params)
        elif method == "Page.loadEventFired":
            self._is_loaded = True


def rows() -> Iterator[dict[str, Any]]:
    """Two sessions an hour apart, three models, failures, and prompts that would like to be scripts."""
    models = ["gpt-4.1-mini", "claude-haiku-4.5", LONG_NAME]
    for index in range(1_200):
        latency = 0.3 * 1.004 ** (index * 7919 % 1_000)
        ended = datetime.fromtimestamp(NOON + index * 0.1 + (3_600 if index > 800 else 0) + latency, UTC)
        error = {"kind": ["timeout", "content_filter", "request_too_large"][index % 3], "message": EVIL}
        is_failed = index % 40 == 0
        made: dict[str, Any] = {
            "index": index,
            "id": f"q{index}" if index % 2 else "a-rather-long-identifier-of-a-prompt-" * 2,
            "completion": None if is_failed else f"{EVIL} answer {index} " * 5,
            "model": models[index % 7 % 3],
            "usage": {"input_tokens": 300, "output_tokens": index % 200, "cache_read_tokens": index % 5 * 40},
            "cost": 0.0001 * (index % 7),
            "error": error if is_failed else None,
            "attempts": 1 + (index % 50 == 0),
            "latency": round(latency, 3),
            "finished_at": ended.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "run": "0123456789ab-cdef01234567",
        }
        if index in (1, 801):
            began = ended.isoformat().replace("+00:00", "Z")
            limits = {"requests_per_minute": 650, "tokens_per_minute": 2_000_000}
            made["session"] = {"began_at": began, "prompts": None, "format": "jsonl", **limits}
        yield made


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    results = directory / "results.jsonl"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    with pytest.raises(SystemExit) as ended:
        main(["report", str(results), "--quiet"])
    assert ended.value.code == 0
    return results.with_suffix(".html")


@pytest.fixture(scope="module")
def browser(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With the page open."""
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    try:
        browser.open(page.as_uri())
        yield browser
    finally:
        browser.close()


def overlapping(texts: list[Any]) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other by more than 2 pixels in both directions."""
    found = []
    ranked = sorted(texts, key=lambda text: text["box"][1])
    for place, one in enumerate(ranked):
        for other in ranked[place + 1 :]:
            if other["box"][1] >= one["box"][3] - 2:
                break
            left = max(one["box"][0], other["box"][0])
            right = min(one["box"][2], other["box"][2])
            bottom = min(one["box"][3], other["box"][3])
            is_itself = one["node"] == other["node"]  # its cut and its whole length count as two
            if not is_itself and right - left > 2 and bottom - other["box"][1] > 2:
                found.append((one["text"], other["text"]))
    return found


def contrast(one: str, other: str) -> float:
    """Source: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio (read 2026-11)."""

    def luminance(colour: str) -> float:
        numbers = [float(part) / 255 for part in colour.removeprefix("rgba").strip("rgb()").split(",")[:3]]
        red, green, blue = (n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in numbers)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_nothing_is_asked_for_and_nothing_complained_about(browser: Browser, page: Path) -> None:
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert [url for url in browser.requests if url != "about:blank"] == [page.as_uri()]
    assert browser.complaints == []
    assert browser.evaluate("document.title") == "results.jsonl: report"
    assert browser.evaluate("document.scripts.length + document.images.length") == 0
    assert "<script>document.title='owned'</script>" in browser.evaluate("document.body.innerText")
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = false })")


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1_200, 768, 390])
def test_the_page_can_be_read(browser: Browser, tmp_path: Path, width: int, scheme: str, is_open: bool) -> None:
    browser.show(width=width, scheme=scheme)
    browser.evaluate(f"document.querySelectorAll('details').forEach((one) => {{ one.open = {str(is_open).lower()} }})")
    texts = browser.evaluate(TEXTS)
    said = " ".join(text["text"] for text in texts)
    for words in ("Throughput", "limit 650", "Latency", "median", "Cost by model", "Errors by kind", "Failed prompts"):
        assert words in said, words
    assert overlapping(texts) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert min(text["size"] for text in texts) >= 12
    pale = [text for text in texts if contrast(text["colour"], text["behind"]) < 4.5]
    assert pale == []
    picture = browser.picture()
    picture.save(tmp_path / f"{width}-{scheme}.png")
    assert picture.width == width
    middle = picture.resize((1, 1)).getpixel((0, 0))
    assert isinstance(middle, tuple)
    assert (sum(middle) / 3 > 170) if scheme == "light" else (sum(middle) / 3 < 90)


def test_the_plots_are_drawn_inside_their_boxes(browser: Browser) -> None:
    browser.show(width=1_200, scheme="light")
    plots = browser.evaluate(
        """[...document.querySelectorAll(".plot svg")].map((svg) => {
            const box = svg.getBoundingClientRect();
            const bars = [...svg.querySelectorAll("rect")].map((bar) => bar.getBoundingClientRect());
            return { label: svg.getAttribute("aria-label"), bars: bars.length, outside: bars.filter((bar) =>
                bar.left < box.left - 1 || bar.right > box.right + 1 || bar.top < box.top - 1
                || bar.bottom > box.bottom + 1 || bar.height < 0.5).length };
        })"""
    )
    assert [plot["label"].split(",")[0].split(":")[0] for plot in plots] == [
        "requests a minute over time",
        "tokens a minute over time",
        "Distribution of latency",
    ]
    assert all(plot["bars"] > 10 and plot["outside"] == 0 for plot in plots), plots


def test_it_can_be_printed(browser: Browser) -> None:
    printed = base64.b64decode(browser.send("Page.printToPDF", printBackground=True)["data"])
    assert printed.startswith(b"%PDF-")
    assert len(printed) > 10_000

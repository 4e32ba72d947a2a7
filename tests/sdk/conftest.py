"""A scripted HTTP server on loopback, and samples of every shape that a model's own JSON Schema allows."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEW = "brand-new"
NEW_FIELD = {"x_brand_new": {"deep": [1, {"deeper": True}]}}
SCALARS = {"string": "text", "integer": 7, "number": 1.5, "boolean": True, "null": None}


@dataclass(slots=True)
class Loopback:
    """A server that answers every request with `status`, `headers` and `body`, and remembers the requests."""

    url: str
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.requests.append((self.command, self.path, headers, content))
            self.send_response(script.status)
            self.send_header("Content-Length", str(len(script.body)))
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(script.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing is written to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script = Loopback(f"http://127.0.0.1:{server.server_port}/v1/")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield script
        server.shutdown()
        thread.join()


@pytest.fixture
def plain_samples() -> Callable[[dict[str, Any]], list[Any]]:
    """From a pydantic JSON Schema to values that together fill every field and take every branch."""
    return lambda schema: _Sampler(schema, with_news=False).values(schema)


@pytest.fixture
def samples_with_news() -> Callable[[dict[str, Any]], list[Any]]:
    """The same with an unknown field in every object, an unknown value in every enum, an unknown tag in every union."""
    return lambda schema: _Sampler(schema, with_news=True).values(schema)


@dataclass(frozen=True, slots=True)
class _Sampler:
    root: dict[str, Any]
    with_news: bool

    def values(self, node: dict[str, Any], *, tag: str | None = None) -> list[Any]:
        """Values that `node` allows. `tag` names the property that must keep its value, as a union's member."""
        if "$ref" in node:
            return self.values(self.root["$defs"][node["$ref"].rpartition("/")[2]], tag=tag)
        if "oneOf" in node:
            return self._tagged(node)
        if "anyOf" in node:
            return [value for child in node["anyOf"] if child != {"type": "null"} for value in self.values(child)]
        if "const" in node or "enum" in node:
            return [NEW] if self.with_news else node.get("enum") or [node["const"]]
        if node.get("type") == "array":
            return [self.values(node["items"])]
        if node.get("type") == "object":
            return self._objects(node, tag)
        return [SCALARS[node["type"]]] if "type" in node else ["anything"]

    def _tagged(self, node: dict[str, Any]) -> list[Any]:
        tag = node["discriminator"]["propertyName"]
        unknown = [{tag: NEW, "payload": {"a": [1]}}] if self.with_news else []
        return [value for child in node["oneOf"] for value in self.values(child, tag=tag)] + unknown

    def _objects(self, node: dict[str, Any], tag: str | None) -> list[Any]:
        """As many objects as the property with most alternatives has; the others repeat theirs."""
        properties = node.get("properties", {})
        columns = {name: [child["const"]] if name == tag else self.values(child) for name, child in properties.items()}
        news = NEW_FIELD if self.with_news or not properties else {}
        if not properties and isinstance(node.get("additionalProperties"), dict):
            news = {"key": self.values(node["additionalProperties"])[0]}
        count = max(map(len, columns.values()), default=1)
        rows = ({name: column[row % len(column)] for name, column in columns.items()} for row in range(count))
        return [{**row, **news} for row in rows]

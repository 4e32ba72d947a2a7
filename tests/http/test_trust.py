"""Nothing goes where it was not sent: no redirects, no cookies, no key anywhere but on the wire."""

from __future__ import annotations

import io
import logging
import pickle
import shutil
import socket
import ssl
import subprocess
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deluge_sync._http import HttpRequest, Leash, Transport
from deluge_sync._secret import Secret
from deluge_sync.errors import TransportError

Start = Callable[..., Any]
Post = Callable[..., HttpRequest]

KEY = "sk-SENTINEL-31415926"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(
    status: int, answering: Start, transport: Transport, post: Post
) -> None:
    elsewhere = answering(OK)
    peer = answering(f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/x\r\nContent-Length: 0\r\n\r\n".encode())
    reply = transport.send(post(peer.url, key=KEY), timeout_s=5)
    assert (reply.status, reply.headers["location"]) == (status, f"{elsewhere.url}/x")
    assert elsewhere.connections == 0
    assert KEY.encode() in peer.requests[0]


def test_cookies_are_never_sent_back(answering: Start, transport: Transport, post: Post) -> None:
    peer = answering(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 0\r\n\r\n")
    for _ in range(2):
        transport.send(post(peer.url), timeout_s=5)
    assert len(peer.requests) == 2
    assert b"cookie" not in b"".join(peer.requests).lower()


def test_netrc_does_not_replace_the_key(
    answering: Start, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    peer = answering(OK)
    request = HttpRequest("POST", f"{peer.url}/v1", {"Authorization": Secret(f"Bearer {KEY}")}, b"{}")
    transport.send(request, timeout_s=5)
    transport.send(HttpRequest("POST", f"{peer.url}/v1", {}, b"{}"), timeout_s=5)
    assert f"Authorization: Bearer {KEY}\r\n".encode() in peer.requests[0]
    assert b"authorization" not in peer.requests[1].lower()


# --- proxies


def test_a_proxy_of_the_environment_is_used_and_read_once(
    answering: Start, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = answering(OK)
    monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://me:pw@"))
    assert transport.send(post("http://api.example/v1/chat?x=1"), timeout_s=5).body == b"ok"
    monkeypatch.delenv("http_proxy")
    assert transport.send(post("http://api.example/v1/chat?x=1"), timeout_s=5).body == b"ok"
    for request in proxy.requests:
        assert request.startswith(b"POST http://api.example/v1/chat?x=1 HTTP/1.1\r\n")
        assert b"\r\nHost: api.example\r\n" in request
        assert b"proxy-authorization: basic bWU6cHc=" in request.replace(b"Basic", b"basic").replace(
            b"Proxy-A", b"proxy-a"
        )
    assert len(proxy.requests) == 2


def test_no_proxy_is_honoured(
    answering: Start, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, peer = answering(OK), answering(OK)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert transport.send(post(peer.url), timeout_s=5).body == b"ok"
    assert (proxy.connections, len(peer.requests)) == (0, 1)


def tunnel(target: Any) -> Callable[[Any, socket.socket], None]:
    """A proxy that answers CONNECT and then hands every byte on."""

    def pass_on(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # either end may have gone
            while chunk := source.recv(65_536):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def script(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", target.port)) as onward:
            back = threading.Thread(target=pass_on, args=(onward, sock))
            back.start()
            pass_on(sock, onward)
            back.join()

    return script


def test_https_goes_through_a_tunnel_and_the_key_stays_inside(
    listen: Start, tls: ssl.SSLContext, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_once(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(OK)

    target = listen(answer_once, tls)
    proxy = listen(tunnel(target))
    monkeypatch.setenv("https_proxy", proxy.url)
    # The connection is stale every second time, so this passes through a replaced tunnel too.
    monkeypatch.setattr("urllib3.connectionpool.is_connection_dropped", lambda conn: conn.is_closed)
    for _ in range(4):
        assert transport.send(post(target.url, key=KEY), timeout_s=5).body == b"ok"
    assert len(target.requests) == 4
    assert all(request.startswith(f"CONNECT 127.0.0.1:{target.port} ".encode()) for request in proxy.requests)
    assert KEY.encode() not in b"".join(proxy.requests)


def test_a_socks_proxy_is_refused_and_not_bypassed(
    answering: Start, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = answering(OK)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(TransportError, match="InvalidProxyURL"):  # also where the SOCKS package is installed
        transport.send(post(peer.url), timeout_s=5)
    assert peer.connections == 0


# --- certificates


def test_a_certificate_that_cannot_be_verified_is_refused(
    answering: Start, tls: ssl.SSLContext, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = answering(OK, context=tls)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(TransportError) as caught:
        Transport().send(post(peer.url), timeout_s=5)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("tls", False)
    assert peer.requests == []


def test_a_certificate_for_another_name_is_refused(
    answering: Start, tls: ssl.SSLContext, transport: Transport, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = answering(OK, context=tls)
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address])
    with pytest.raises(TransportError) as caught:
        transport.send(post(peer.url.replace("127.0.0.1", "another.example")), timeout_s=5)
    assert (caught.value.kind, caught.value.may_have_been_processed) == ("tls", False)


def test_a_folder_of_certificates_will_do(
    answering: Start,
    tls: ssl.SSLContext,
    loopback_pem: Path,
    transport: Transport,
    post: Post,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which names the files in such a folder, is not installed")
    command = [openssl, "x509", "-issuer_hash", "-noout", "-in", str(loopback_pem)]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(loopback_pem.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert transport.send(post(answering(OK, context=tls).url), timeout_s=5).body == b"ok"


# --- the key


def refused(**_: Any) -> tuple[str, dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}", {}


def script(play: Callable[[Any, socket.socket], Any]) -> Callable[..., tuple[str, dict[str, Any]]]:
    return lambda listen, **_: (listen(play).url, {})


def hang(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    peer.stopping.wait()


def flood(peer: Any, sock: socket.socket) -> None:
    peer.read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(bytes(1024 * 1024))


def say(data: bytes) -> Callable[..., tuple[str, dict[str, Any]]]:
    def play(peer: Any, sock: socket.socket) -> None:
        peer.read_request(sock)
        sock.sendall(data)

    return script(play)


def plain_server_for_tls(listen: Start, **_: Any) -> tuple[str, dict[str, Any]]:
    return listen(lambda _, sock: sock.sendall(b"220 mail.example ESMTP\r\n")).url.replace("http:", "https:"), {}


ERROR_PATHS: dict[str, tuple[str, Callable[..., tuple[str, dict[str, Any]]]]] = {
    "refused": ("connect", refused),
    "unknown host": ("connect", lambda **_: ("http://nowhere.invalid", {})),
    "handshake with a plain server": ("connect", plain_server_for_tls),
    "certificate": ("tls", lambda answering, wrong_tls, **_: (answering(OK, context=wrong_tls).url, {})),
    "closed": ("broken", say(b"")),
    "not http": ("broken", say(b"hello\r\n")),
    "short": ("broken", say(OK[:-1])),
    "headers that echo the key and cannot be read": (
        "broken",
        say(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-\n-y: {KEY}\r\n\r\n{{}}".encode()),
    ),
    "bad gzip": ("broken", say(OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))),
    "timeout": ("timeout", lambda listen, **_: (listen(hang).url, {"timeout_s": 0.1})),
    "too large": ("too_large", script(flood)),
    "cancelled": ("cancelled", lambda answering, cut_leash, **_: (answering(OK).url, {"leash": cut_leash})),
    "illegal header": ("illegal", lambda answering, **_: (answering(OK).url, {"key": f"{KEY}\n"})),
    "illegal second header": ("illegal", lambda answering, **_: (answering(OK).url, {"x-other": "a\r\nb"})),
    "header that is not latin-1": ("illegal", lambda answering, **_: (answering(OK).url, {"key": f"{KEY}\u2019"})),
    "header name": ("illegal", lambda answering, **_: (answering(OK).url, {"x other:": "y"})),
    "url without a host": ("illegal", lambda **_: ("http:///v1/x", {})),
    "url of another scheme": ("illegal", lambda **_: ("ftp://127.0.0.1/x", {})),
    "no url": ("illegal", lambda **_: ("v1/chat/completions/x", {})),
    "url with a bad port": ("illegal", lambda **_: ("http://127.0.0.1:port/x", {})),
    "url with a port out of range": ("illegal", lambda **_: ("http://127.0.0.1:99999/x", {})),
    "host of control characters": ("connect", lambda **_: ("http://a\nb/x", {})),
    "host that is too long": ("illegal", lambda **_: (f"http://{'a' * 300}.example/x", {})),
    "proxy that is down": ("connect", lambda monkeypatch, **_: proxied(monkeypatch)),
}  # fmt: skip


def proxied(monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    monkeypatch.setenv("http_proxy", refused()[0])
    return "http://api.example", {}


def everything_shown(error: BaseException) -> str:
    """The exception in every way a log or an error tracker could show it, with the locals of all its frames."""
    chain: list[BaseException] = [error]
    for link in chain:
        chain += [other for other in (link.__cause__, link.__context__) if other is not None and other not in chain]
    told = [repr((link, link.args, vars(link))) + str(link) for link in chain]
    assert error.__traceback__ is not None
    ours = error.__traceback__.tb_next  # without the test, which knows the key
    frames = traceback.TracebackException(type(error), error, ours, capture_locals=True)
    assert len(frames.stack) > 0
    return "".join([*told, *frames.format()])


@pytest.mark.parametrize("path", ERROR_PATHS)
def test_no_error_shows_the_key(
    path: str,
    request: pytest.FixtureRequest,
    transport: Transport,
    post: Post,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    cut_leash = Leash(float("inf"))
    cut_leash.cut("cancelled")
    found = {name: request.getfixturevalue(name) for name in ("listen", "answering")}
    if path == "certificate":
        found["wrong_tls"] = request.getfixturevalue("tls")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    kind, prepare = ERROR_PATHS[path]
    url, arguments = prepare(**found, cut_leash=cut_leash, monkeypatch=monkeypatch)
    settings = {name: arguments.pop(name) for name in ("timeout_s", "leash") if name in arguments}
    sent = post(url, **{"key": KEY, **arguments})
    with pytest.raises(TransportError) as caught:
        transport.send(sent, **{"timeout_s": 10, **settings})
    del sent
    error = caught.value
    shown = everything_shown(error) + caplog.text + repr([vars(record) for record in caplog.records])
    assert (error.kind, error.may_have_been_processed) == (kind, kind in {"broken", "timeout", "too_large"})
    assert type(error).__module__ == "deluge_sync.errors"
    assert (error.__cause__, error.__context__) == (None, None)
    assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(error)


def test_nor_does_what_the_consumer_of_a_stream_raises(answering: Start, transport: Transport, post: Post) -> None:
    peer = answering(OK.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n"))
    sent = post(peer.url, key=KEY)

    def refuse(chunk: bytes) -> bool:
        raise RuntimeError(chunk)

    with pytest.raises(RuntimeError) as caught:
        transport.stream(sent, refuse, timeout_s=10)
    del sent
    shown = everything_shown(caught.value)
    assert "refuse" in shown
    assert KEY not in shown


def test_no_log_shows_the_key_when_all_is_well(
    answering: Start, transport: Transport, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    console = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", console)
        transport.send(post(answering(OK).url, b"the prompt", key=KEY), timeout_s=5)
    told = caplog.text + repr([vars(record) for record in caplog.records]) + console.getvalue()
    assert KEY not in told
    assert "the prompt" not in told

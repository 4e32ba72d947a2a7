"""A forked child keeps no copy of the parent's connections, whatever they were at, and does not disturb them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

Run = Callable[..., str]

# The server runs in the program itself. `mine` are the descriptors that are connected to it, or are being connected.
_PRELUDE = """
import os, socket, ssl, stat, sys, threading
from deluge_sync._http import HttpRequest, Leash, Transport
from deluge_sync.errors import TransportError

listener = socket.create_server(("127.0.0.1", 0), backlog=128)
port = listener.getsockname()[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["REQUESTS_CA_BUNDLE"])

def mine():
    found = []
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=os.dup(fd)) as sock:
                    if sock.getpeername()[1] == port:
                        found.append(fd)
        except OSError:
            pass
    return found

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            os._exit(work())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def read_head(sock):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n{}"):
        head += sock.recv(65536)

STREAM = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nContent-Length: 6\\r\\n\\r\\n"
transport = Transport()
taken, has_begun, told = [], threading.Event(), []

def take(chunk):
    taken.append(chunk)
    has_begun.set()
    return True

def request(scheme):
    return HttpRequest("POST", f"{scheme}://127.0.0.1:{port}/v1", {}, b"{}")

def ask(scheme):
    try:
        told.append(transport.stream(request(scheme), take, timeout_s=20).status)
    except TransportError as error:
        told.append(error.kind)
"""


@pytest.fixture
def run(loopback_pem: Path) -> Run:
    """Runs a program after the prelude in a process of its own, without other tests' threads. Gives what it prints."""

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _PRELUDE + program, *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment["REQUESTS_CA_BUNDLE"] = str(loopback_pem)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_in_the_middle_of_a_stream(scheme: str, run: Run) -> None:
    program = """
caller = threading.Thread(target=ask, args=(sys.argv[1],))
caller.start()
peer, _ = listener.accept()
if sys.argv[1] == "https":
    peer = context.wrap_socket(peer, server_side=True)
read_head(peer)
peer.sendall(STREAM + b"abc")
has_begun.wait(10)
print(len(mine()), in_child(lambda: len(mine())), len(mine()))
peer.sendall(b"def")
caller.join()
print(b"".join(taken), told)
"""
    assert run(program, scheme) == "1 0 1\nb'abcdef' [200]\n"


def test_in_the_tls_handshake(run: Run) -> None:
    """The descriptor that shakes hands and the one that the leash holds."""
    program = """
caller = threading.Thread(target=ask, args=("https",))
caller.start()
peer, _ = listener.accept()
peer.recv(1, socket.MSG_PEEK)
print(len(mine()), in_child(lambda: len(mine())), len(mine()))
peer = context.wrap_socket(peer, server_side=True)
read_head(peer)
peer.sendall(STREAM + b"abcdef")
caller.join()
print(b"".join(taken), told)
"""
    assert run(program) == "2 0 2\nb'abcdef' [200]\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_while_idle(scheme: str, run: Run) -> None:
    program = """
def serve():
    peer, _ = listener.accept()
    if sys.argv[1] == "https":
        peer = context.wrap_socket(peer, server_side=True)
    for _ in range(2):
        read_head(peer)
        peer.sendall(STREAM + b"abcdef")
    told.append(peer.recv(1))

server = threading.Thread(target=serve)
server.start()
ask(sys.argv[1])
print(len(mine()), in_child(lambda: len(mine())), len(mine()))
ask(sys.argv[1])
transport.close()
server.join()
print(told)
"""
    assert run(program, scheme) == "1 0 1\n[200, 200, b'']\n"


def test_the_server_sees_the_parent_hang_up_while_the_child_lives(run: Run) -> None:
    program = """
caller = threading.Thread(target=ask, args=("http",))
caller.start()
peer, _ = listener.accept()
read_head(peer)
release, hold = os.pipe()
child = os.fork()
if child == 0:
    os.close(hold)
    os.read(release, 1)
    os._exit(0)
peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\nabc")
caller.join()
peer.settimeout(5)
print(told, peer.recv(1))
os.close(hold)
print(os.waitpid(child, 0)[1])
"""
    assert run(program) == "[200] b''\n0\n"


def test_a_child_forked_by_the_consumer_loses_the_stream_and_the_parent_does_not(run: Run) -> None:
    program = """
pids = []

def fork_then_take(chunk):
    taken.append(chunk)
    if not pids:
        pids.append(os.fork())
        has_begun.set()
    return True

def serve():
    peer, _ = listener.accept()
    read_head(peer)
    peer.sendall(STREAM + b"abc")
    has_begun.wait(10)
    told.append(os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]))
    peer.sendall(b"def")

server = threading.Thread(target=serve)
server.start()
try:
    transport.stream(request("http"), fork_then_take, timeout_s=20)
except TransportError as error:
    os._exit(7 if pids == [0] and error.kind == "broken" and taken == [b"abc"] else 8)
server.join()
print(b"".join(taken), told)
"""
    assert run(program) == "b'abcdef' [7]\n"

"""Whoever owns a lock, a thread or a connection starts afresh in a forked child, and parent and child do not meet."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from deluge_sync import _fork

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)


class Owner:
    def __init__(self) -> None:
        self.starts = 0

    def _start_afresh(self) -> None:
        self.starts += 1


def run(program: str) -> str:
    """What a Python program prints; forking is left to a process that has no other tests' threads."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_every_living_owner_starts_afresh_and_is_not_kept_alive() -> None:
    kept, dropped = Owner(), Owner()
    for owner in (kept, dropped):
        _fork.start_afresh_in_child(owner)
    identity = id(dropped)
    del dropped, owner
    gc.collect()
    assert identity not in _fork._owners
    assert id(kept) in _fork._owners
    assert kept.starts == 0


def test_it_happens_in_the_child_only_and_in_grandchildren() -> None:
    program = """
import os
from deluge_sync._fork import start_afresh_in_child

class Owner:
    starts = 0
    def _start_afresh(self): self.starts += 1
    __hash__ = None

owner = Owner()
start_afresh_in_child(owner)
if os.fork() == 0:
    status = owner.starts == 1
    if os.fork() == 0:
        os._exit(0 if owner.starts == 2 else 1)
    os._exit(0 if status and os.wait()[1] == 0 else 1)
print(os.wait()[1], owner.starts)
"""
    assert run(program) == "0 0\n"


# Parent and children send at the same time to a server that echoes what it got. Every fork comes while the parent's
# threads hold connections and, now and then, locks.
_BOTH_SEND = """
import os, sys, socket, threading
from deluge_sync._http import HttpRequest, Transport, send

def serve(sock):
    stream = sock.makefile("rb")
    while head := b"".join(iter(stream.readline, b"\\r\\n")):
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\\r\\n")[0])
        body = stream.read(length)
        sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))

def accept(listener):
    while True:
        sock = listener.accept()[0]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(sock,), daemon=True).start()

listener = socket.create_server(("127.0.0.1", 0), backlog=512)
url = f"http://localhost:{listener.getsockname()[1]}/v1"
server = os.fork()
if server == 0:
    accept(listener)
listener.close()

transport = Transport()
is_over = threading.Event()
wrong = []

def ask(name, turns, ask_by):
    for turn in range(turns):
        body = f"{os.getpid()} {name} {turn}".encode()
        if ask_by(HttpRequest("POST", url, {}, body), timeout_s=20).body != body:
            wrong.append(body)

def keep_asking(name):
    while not is_over.is_set():
        ask(name, 5, transport.send)

threads = [threading.Thread(target=keep_asking, args=(name,)) for name in range(4)]
[thread.start() for thread in threads]
ask("first", 1, send)

failed = 0
for _ in range(50):
    child = os.fork()
    if child == 0:
        mine = [threading.Thread(target=ask, args=(name, 5, transport.send)) for name in range(2)]
        [thread.start() for thread in mine]
        ask("main", 5, send)
        [thread.join() for thread in mine]
        transport.close()
        os._exit(1 if wrong or threading.active_count() > 2 else 0)  # the reaper of `send` may still be idle
    failed += os.waitpid(child, 0)[1] != 0
is_over.set()
[thread.join() for thread in threads]
os.kill(server, 9)
print(failed, wrong)
"""


def test_parent_and_child_each_get_their_own_answers_in_fifty_forks() -> None:
    assert run(_BOTH_SEND) == "0 []\n"


_LOCKED = """
import os, sys, threading
import deluge_sync._http as http
from deluge_sync._http import HttpRequest, Transport, connection
from deluge_sync.errors import TransportError

transport = Transport()
def refused(timeout_s=1):
    try:
        transport.send(HttpRequest("POST", "http://localhost:1/x", {}), timeout_s=timeout_s)
    except TransportError as error:
        return error.kind

assert refused() == "connect"
held = [transport._lock, transport._reaper._changed, connection._resolver._lock]
ready, forked = threading.Event(), threading.Event()
def hold():
    for lock in held:
        lock.acquire()
    ready.set()
    forked.wait()
    for lock in held:
        lock.release()
threading.Thread(target=hold).start()
ready.wait()
child = os.fork()
if child == 0:
    kind = refused(timeout_s=5)
    transport.close()
    print(kind)
    sys.exit(0)  # the interpreter ends as usual: nothing left over from the parent waits for a lock
forked.set()
assert os.waitpid(child, 0)[1] == 0
print(refused())
"""


def test_a_lock_that_was_held_while_forking_does_not_hang_the_child() -> None:
    assert run(_LOCKED) == "connect\nconnect\n"

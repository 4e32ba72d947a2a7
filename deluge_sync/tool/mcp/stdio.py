"""A server in a child process, spoken to line by line over its stdin and stdout.

Our own in the place of the package's, which cannot do with bytes that are no UTF-8, reports every line of noise as an
error, and lets the server write on our stderr. Source: https://modelcontextprotocol.io/specification, "Transports".
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.shared.message import SessionMessage

from deluge_sync.tool.mcp.lines import LineCutter, find_message

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from deluge_sync.tool.mcp.config import ServerConfig
    from deluge_sync.tool.mcp.notes import Notes

__all__ = ["environment", "stdio_streams"]

log = logging.getLogger(__name__)

# What a program needs to run at all. Whatever else is in our environment, API keys above all, stays here.
_INHERITED: Final = (
    *("PATH", "HOME", "LOGNAME", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"),
    *("APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
    *("PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE", "WINDIR"),
)
# How long a server may take to end by itself, and then after it was asked to.
_GRACE_S: Final = 2.0
_LAST_GRACE_S: Final = 1.0
_FLUSH_S: Final = 0.5


def environment(config: ServerConfig, ours: Mapping[str, str]) -> dict[str, str]:
    """What the child gets to see: the little that programs need, and what the user says. Pure."""
    # A value that begins so is a function of the shell, which some shells would run.
    inherited = {name: ours[name] for name in _INHERITED if name in ours and not ours[name].startswith("()")}
    return {**inherited, **{name: value.reveal() for name, value in config.env}}


@asynccontextmanager
async def stdio_streams(config: ServerConfig, notes: Notes) -> AsyncIterator[Any]:
    """Start the server and give the streams of messages from and to it. It has ended when this ends.

    Raises:
        OSError: it cannot be started.
    """
    child = await _start(config, notes)
    send_in, receive_in = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    send_out, receive_out = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks, send_in, receive_in, send_out, receive_out:
            tasks.start_soon(_hand_in, child, send_in)
            tasks.start_soon(_write, child, receive_out)
            try:
                yield receive_in, send_out
            finally:
                send_out.close()
                with anyio.move_on_after(_FLUSH_S, shield=True):
                    await child.has_written.wait()
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(child)


class _Child(asyncio.SubprocessProtocol):
    """One process. Its callbacks run in the loop."""

    transport: asyncio.SubprocessTransport

    def __init__(self, notes: Notes) -> None:
        self.messages: asyncio.Queue[SessionMessage | None] = asyncio.Queue()
        self.has_exited = asyncio.Event()
        self.has_written = asyncio.Event()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self._notes = notes
        self._cutter = LineCutter()
        self._is_noisy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self.transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._notes.add_stderr(data)
            return
        try:
            for line in self._cutter.feed(data):
                self._take(line)
        except ValueError as error:
            log.warning("an MCP server is ended: it wrote %s", error)
            self._lose_output()
            self.transport.kill()

    def pipe_connection_lost(self, fd: int, _: Exception | None) -> None:
        if fd == 0:
            self.may_write.set()
        elif fd == 1:
            self._lose_output()

    def process_exited(self) -> None:
        self._notes.exit_code = self.transport.get_returncode()
        self.has_exited.set()

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()

    @property
    def stdin(self) -> asyncio.WriteTransport:
        pipe = self.transport.get_pipe_transport(0)
        assert isinstance(pipe, asyncio.WriteTransport)
        return pipe

    def _lose_output(self) -> None:
        self._notes.has_lost_output = True
        self.messages.put_nowait(None)

    def _take(self, line: bytes) -> None:
        message = find_message(line)
        if message is not None:
            self.messages.put_nowait(SessionMessage(message))
        elif line.strip() and not self._is_noisy:
            self._is_noisy = True
            log.debug("an MCP server writes lines on its stdout that are no messages; they are passed over")


async def _start(config: ServerConfig, notes: Notes) -> _Child:
    env = environment(config, os.environ)
    command = str(config.command)
    found = shutil.which(command, path=env.get("PATH"))
    if found is None:
        raise FileNotFoundError("there is no such command")
    # A session of its own: Ctrl-C is for us, and what the server starts can be ended with it.
    _, child = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Child(notes), found, *config.args, env=env, cwd=config.cwd, start_new_session=True
    )
    return child


async def _hand_in(child: _Child, send_in: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async with send_in:
            while (message := await child.messages.get()) is not None:
                await send_in.send(message)


async def _write(child: _Child, receive_out: MemoryObjectReceiveStream[SessionMessage]) -> None:
    try:
        async for outgoing in receive_out:
            await child.may_write.wait()
            if child.stdin.is_closing():
                return
            written = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
            child.stdin.write(written.encode("utf-8", "replace") + b"\n")
    finally:
        child.has_written.set()


async def _end(child: _Child) -> None:
    """As the specification has it: close its stdin, wait, ask it to end, end it. And then whatever it started."""
    child.stdin.close()
    try:
        if not await _has_exited(child, _GRACE_S):
            _signal_all(child, signal.SIGTERM)
            await _has_exited(child, _LAST_GRACE_S)
    finally:  # also when we are cut short
        _signal_all(child, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    await _has_exited(child, _LAST_GRACE_S)
    child.transport.close()


async def _has_exited(child: _Child, wait_s: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(child.has_exited.wait(), wait_s)
    return child.has_exited.is_set()


def _signal_all(child: _Child, number: int) -> None:
    """To the process and those it started, which are its group."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            child.transport.terminate()
        else:
            os.killpg(child.transport.get_pid(), number)

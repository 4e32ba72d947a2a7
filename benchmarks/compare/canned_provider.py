"""A provider that costs next to nothing: one canned chat completion for every POST, after a delay.

    python benchmarks/compare/canned_provider.py --latency 0.2 --answer-bytes 2000

Prints its port and serves loopback until its standard input ends. It understands just enough HTTP for clients that send
well-formed requests with a Content-Length, and judges nothing: that is the embedded provider's work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


def canned_reply(answer_bytes: int) -> bytes:
    """A whole HTTP reply whose answer has so many characters."""
    message = {"role": "assistant", "content": "x" * answer_bytes, "refusal": None}
    body = json.dumps(
        {
            "id": "chatcmpl-canned",
            "object": "chat.completion",
            "created": 1_780_000_000,
            "model": "gpt-4.1-mini",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 12, "total_tokens": 24},
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class CannedConnection(asyncio.Protocol):
    """One keep-alive connection. Requests that come in one piece are answered in their order."""

    def __init__(self, reply: bytes, latency_s: float) -> None:
        self._reply = reply
        self._latency_s = latency_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._end_of_request()) is not None:
            self._received = self._received[end:]
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, self._reply)

    def _end_of_request(self) -> int | None:
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        length = _LENGTH.search(self._received, 0, head_end)
        end = head_end + 4 + (int(length[1]) if length else 0)
        return end if end <= len(self._received) else None


async def serve(latency_s: float, answer_bytes: int) -> None:
    """Serve until standard input ends."""
    loop, reply = asyncio.get_running_loop(), canned_reply(answer_bytes)
    server = await loop.create_server(lambda: CannedConnection(reply, latency_s), "127.0.0.1", 0, backlog=4_096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until the reply")
    parser.add_argument("--answer-bytes", type=int, default=40, help="characters of the answer")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.latency, arguments.answer_bytes))

"""Tool calls carried out on demand, without a client."""

from __future__ import annotations

import threading
from typing import Any

from deluge_sync.agent import execute_tool_calls
from deluge_sync.config import SamplingParams
from deluge_sync.prompt import Conversation, Message, ToolCall, ToolResult
from deluge_sync.response import APIResponse
from deluge_sync.tool import Tool


def asking(*calls: ToolCall, finish_reason: str = "tool_calls") -> APIResponse:
    content = Message("assistant", list(calls))
    prompt = Conversation.user("Go")
    return APIResponse(0, "m", prompt, SamplingParams(), 200, False, None, content=content, finish_reason=finish_reason)


def test_all_calls_run_at_once_and_are_answered_in_order() -> None:
    together = threading.Barrier(3)

    def meet(number: int) -> int:
        together.wait(10)  # breaks unless all three are here
        return number * number

    async def double(number: int) -> int:
        return 2 * number

    asked = [ToolCall(f"c{n}", "meet", {"number": n}) for n in range(3)]
    tools = [Tool.from_function(meet), Tool.from_function(double)]
    before = set(threading.enumerate())
    found = execute_tool_calls(asking(*asked, ToolCall("c3", "double", {"number": 4})), tools)

    assert found == [ToolResult("c0", "0"), ToolResult("c1", "1"), ToolResult("c2", "4"), ToolResult("c3", "8")]
    assert set(threading.enumerate()) <= before


def test_a_call_that_was_cut_off_is_not_run() -> None:
    removed: list[str] = []
    tool = Tool.from_function(lambda path: removed.append(path), name="remove")
    response = asking(ToolCall.from_text("c1", "remove", '{"path": "/home/ann/old'), finish_reason="length")

    [result] = execute_tool_calls(response, [tool])

    assert result.is_error
    assert "cut off at its token limit" in result.text
    assert removed == []


def test_an_answer_without_calls_gives_no_results() -> None:
    assert execute_tool_calls(asking(), [Tool("idle", run=print)]) == []


def test_what_ends_a_program_does_not_end_the_call() -> None:
    def leave(code: int) -> Any:
        raise SystemExit(code)

    async def leave_async(code: int) -> Any:
        raise SystemExit(code)

    asked = [ToolCall("c1", "leave", {"code": 2}), ToolCall("c2", "leave_async", {"code": 3})]
    found = execute_tool_calls(asking(*asked), [Tool.from_function(leave), Tool.from_function(leave_async)])

    assert [(result.text, result.is_error) for result in found] == [("SystemExit: 2", True), ("SystemExit: 3", True)]


def test_an_async_tool_that_holds_up_its_loop_overruns_like_any_other() -> None:
    release = threading.Event()

    async def blocks(number: int) -> int:
        release.wait(30)
        return number

    threading.Timer(0.5, release.set).start()
    [result] = execute_tool_calls(
        asking(ToolCall("c1", "blocks", {"number": 1})), [Tool.from_function(blocks)], tool_timeout=0.1
    )

    assert result == ToolResult("c1", "TimeoutError: it did not finish within 0.1 s", is_error=True)

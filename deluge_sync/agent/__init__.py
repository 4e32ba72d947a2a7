"""Agent loops: a model is asked, the tools it calls are run, and it is asked again with what they gave.

`loop` drives one conversation over the engine's futures; `rounds` decides what follows from an answer. A `turn` carries
out the calls of one answer: `toolbox` finds the tool and reads the arguments, `crew` runs it in `threads` or
`coroutines` within its time (`alarms`), `results` writes down what came of it. `agents` has the loops of one client,
`execute` does one turn for whoever writes a loop by hand. The client's methods are in `client.agents` and `aio`.

Nothing here speaks HTTP, waits at a limiter or retries: that is the engine's, to which each round is one more prompt.
"""

from __future__ import annotations

from deluge_sync.agent.agents import Agents
from deluge_sync.agent.crew import Crew, Rules
from deluge_sync.agent.execute import execute_tool_calls
from deluge_sync.agent.loop import AgentLoop, Outcome, Plan, RoundHook
from deluge_sync.agent.toolbox import AgentTool, RemoteTool, Toolbox

__all__ = [
    "AgentLoop",
    "AgentTool",
    "Agents",
    "Crew",
    "Outcome",
    "Plan",
    "RemoteTool",
    "RoundHook",
    "Rules",
    "Toolbox",
    "execute_tool_calls",
]

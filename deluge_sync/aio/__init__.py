"""The awaitable calls. They wait for the same answers as the blocking ones and have no logic of their own.

No event loop is made here and none is needed: the work is done by the client's threads. A coroutine may be awaited in
any loop of any thread. `bridge` is what all of them use; each concern of the client has a module with its twins.
"""

from deluge_sync.aio.agents import AsyncAgents
from deluge_sync.aio.prompts import AsyncPrompts, StreamItem

__all__ = ["AsyncFacade", "StreamItem"]


class AsyncFacade(AsyncPrompts, AsyncAgents):
    """The awaitable half of `LLMClient`. Each method takes the arguments of its blocking twin and gives the same."""

"""The awaitable calls. They wait for the same answers as the blocking ones and have no logic of their own.

No event loop is made here and none is needed: the work is done by the client's threads. A coroutine may be awaited in
any loop of any thread. `bridge` is what all of them use; each concern of the client has a module with its twins.
"""

from deluge_sync.aio.agents import AsyncAgents
from deluge_sync.aio.batches import AsyncBatches
from deluge_sync.aio.embeddings import AsyncEmbeddings
from deluge_sync.aio.estimate import AsyncEstimates
from deluge_sync.aio.iterate import AsyncIteration
from deluge_sync.aio.prompts import AsyncPrompts, StreamItem
from deluge_sync.aio.tasks import AsyncTasks

__all__ = ["AsyncFacade", "StreamItem"]


class AsyncFacade(AsyncPrompts, AsyncIteration, AsyncTasks, AsyncEstimates, AsyncAgents, AsyncBatches, AsyncEmbeddings):
    """The awaitable half of `LLMClient`. Each method takes the arguments of its blocking twin and gives the same."""

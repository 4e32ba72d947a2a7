"""Whole tasks on top of a client. Each takes the client as an argument, in the blocking and in the awaitable form.

extract   what a schema asks for, out of texts, images, files or conversations

extract (drives) > rounds (what to ask, and again) > reading (answers, pure) | extracted (the result)
"""

from deluge_sync.pipelines.extract import extract, extract_async
from deluge_sync.pipelines.extracted import Extracted

__all__ = ["Extracted", "extract", "extract_async"]

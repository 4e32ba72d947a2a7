"""The prompts of a job on the disk: one line each, in their order, with what was decided before anything was sent.

They are read once more when the answers are there, so that nobody has to hold a million prompts meanwhile, and so that
another process can hand out whole responses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deluge_sync.batch.manifest import failure_of_record, failure_record
from deluge_sync.cache.stored import dump_answer, load_answer
from deluge_sync.errors import ConfigError
from deluge_sync.prompt import Conversation

if TYPE_CHECKING:
    from pathlib import Path

    from deluge_sync._adapters.failure import Failure
    from deluge_sync.response import APIResponse

__all__ = ["Entry", "dump_prompt", "entry_line", "read_entries"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt. It is in a part, or failed before it could be sent, or was answered by the local cache.

    key: that of the local cache, None without one.
    """

    prompt: Conversation
    route: int
    part: int | None = None
    key: str | None = None
    failure: Failure | None = None
    hit: APIResponse | None = None


def dump_prompt(prompt: Conversation, *, is_sent: bool) -> str:
    """The prompt as it stands in its line. Images and files are written out where it `is_sent`, else only named.

    Raises:
        ConfigError: something in it cannot be read, or has no form in JSON.
    """
    try:
        return json.dumps(prompt.to_log(media="content" if is_sent else "placeholder"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the prompt cannot be written as JSON: {error}") from error


def entry_line(
    dumped_prompt: str,
    *,
    route: int,
    part: int | None = None,
    key: str | None = None,
    failure: Failure | None = None,
    hit: APIResponse | None = None,
) -> bytes:
    """The line of an entry, its line end included. `dumped_prompt` is what `dump_prompt` gave."""
    stored = {
        "route": route,
        "part": part,
        "key": key,
        "failure": None if failure is None else failure_record(failure),
        "hit": None if hit is None else dump_answer(hit, stored_at=0),
    }
    rest = json.dumps({name: value for name, value in stored.items() if value is not None})
    return f'{{"prompt": {dumped_prompt}, {rest[1:]}\n'.encode()


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries in their order, read as they are asked for.

    Raises:
        OSError: the file is gone.
    """
    with path.open("rb") as file:
        for line in file:
            yield _entry(json.loads(line))


def _entry(stored: Mapping[str, Any]) -> Entry:
    prompt, failure, hit = Conversation.from_log(stored["prompt"]), stored.get("failure"), stored.get("hit")
    return Entry(
        prompt,
        stored["route"],
        stored.get("part"),
        stored.get("key"),
        None if failure is None else failure_of_record(failure),
        None if hit is None else load_answer(hit, prompt)[0],
    )

"""A program: an embedded provider that is steered over its standard input, one JSON command and one answer a line.

    ["ledger"] | ["down", how] | ["up"]

The first line it prints is its OpenAI URL. It ends with its input. `conftest.RemoteProvider` is the other side.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

from deluge_sync.testing import FakeProvider, Reply, RequestRecord

_IDLE_CLOSES = (Reply.close_idle(), Reply.close_idle(when="next_request"))


def storm(record: RequestRecord) -> Reply | None:
    """Faults by chance, the same for the same number in the ledger. The rate limits ask for little patience."""
    rng = random.Random(record.sequence)
    faults = (
        (0.05, Reply.error(429, retry_after=0.02)),
        (0.03, Reply.error(500)),
        (0.02, Reply.reset()),
        (0.01, Reply.drip(20.0)),
        (0.01, Reply.truncated()),
        (0.05, _IDLE_CLOSES[record.sequence % 2]),
    )
    point = rng.random()
    for chance, reply in faults:
        if point < chance:
            return reply
        point -= chance
    return None


SCRIPTS: dict[str, Callable[[RequestRecord], Reply | None]] = {"storm": storm}


def seen(record: RequestRecord) -> list[Any]:
    """The fields of `conftest.Seen`."""
    said = record.json["messages"][-1]["content"]
    return [
        record.arrived,
        record.finished,
        said,
        record.key,
        record.status,
        record.complete,
        record.client_port,
        record.prompt_tokens,
        record.completion_tokens,
    ]


def say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    options = json.loads(sys.argv[1])
    if "script" in options:
        options["script"] = SCRIPTS[options["script"]]
    with FakeProvider(**options) as provider:
        say(provider.openai_url)
        for line in sys.stdin:
            match json.loads(line):
                case ["ledger"]:
                    say([seen(record) for record in provider.ledger])
                case ["down", how]:
                    provider.down(how)
                    say(None)
                case ["up"]:
                    provider.up()
                    say(None)


if __name__ == "__main__":
    main()

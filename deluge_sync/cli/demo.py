"""`deluge-sync demo`: the main job on a small scale, without a key and without a network.

It starts the embedded provider in this process, with limits, latency and a few errors, and sends real questions to it
over HTTP with the same machinery as `run`. The provider repeats each question instead of answering it; all else
(limits, retries, tokens, cost) is as with a hosted model.
"""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import closing
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deluge_sync.cli.journal import RunKey, open_journal
from deluge_sync.cli.options import MANNERS, voice_of, with_options
from deluge_sync.cli.prompts import PromptFile
from deluge_sync.cli.run import answer
from deluge_sync.cli.session import Session

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from deluge_sync.client import LLMClient
    from deluge_sync.testing import FakeProvider

__all__ = ["command", "questions"]

_MODEL = "gpt-4.1-mini"
_FAULTS = {"error_500": 0.01, "error_503": 0.01}
_SETTINGS = hashlib.sha256(b"deluge-sync demo").hexdigest()  # by which the demo knows its own results

_SUBJECTS = {
    "the tides": "physics",
    "a rainbow": "physics",
    "lightning": "physics",
    "the northern lights": "physics",
    "a solar eclipse": "astronomy",
    "a black hole": "astronomy",
    "the phases of the moon": "astronomy",
    "photosynthesis": "biology",
    "the human heart": "biology",
    "bird migration": "biology",
    "a vaccine": "medicine",
    "sleep": "medicine",
    "yeast": "cooking",
    "caramel": "cooking",
    "sourdough bread": "cooking",
    "a sonnet": "literature",
    "a fugue": "music",
    "inflation": "economics",
    "compound interest": "economics",
    "an opportunity cost": "economics",
    "the printing press": "history",
    "the Silk Road": "history",
    "a suspension bridge": "engineering",
    "a heat pump": "engineering",
    "a lithium battery": "engineering",
    "public-key encryption": "computing",
    "a hash table": "computing",
    "a database index": "computing",
    "a prime number": "mathematics",
    "the normal distribution": "mathematics",
}
_FORMS = (
    "Explain {} to a ten-year-old in three sentences.",
    "What is the most common misunderstanding about {}?",
    "Who first described {}, and when?",
    "Give me a short analogy for {}.",
    "What would I notice first if {} did not exist?",
    "Write three quiz questions about {}, with their answers.",
    "Which book would you recommend to someone who wants to learn about {}?",
    "Summarise what is still unknown about {}.",
    "Describe {} in one sentence, without any technical words.",
    "What is a simple experiment or exercise that shows {}?",
)
_MOST = len(_SUBJECTS) * len(_FORMS)


@click.command("demo", short_help="answer 200 questions through the embedded provider, to see it work")
@click.option("--output", default="results.jsonl", show_default=True, metavar="RESULTS", help="Results file.")
@click.option("--prompts", type=click.IntRange(1, _MOST), default=200, show_default=True, help="How many to send.")
@click.option("--rpm", type=click.IntRange(min=60), default=1_200, show_default=True, help="Requests a minute.")
@click.option("--no-progress", "progress", flag_value=False, default=True, help="No live display.")
@with_options(MANNERS)
def command(output: str, prompts: int, rpm: int, progress: bool, **manners: Any) -> None:
    """Send real questions to a provider in this process, at a limit that it enforces by the second.

    RESULTS is written anew. If it holds anything else than results of an earlier demo, that is moved aside first.

    \b
    Examples:
      deluge-sync demo
      deluge-sync demo --prompts 50 --rpm 600 && deluge-sync report results.jsonl
    """
    voice = voice_of(manners)
    source = PromptFile(io.BytesIO(_as_json_lines(prompts)), "demo", "jsonl")
    survey = source.survey(voice.note)
    key = RunKey(survey.digest, _SETTINGS)
    with (
        closing(open_journal(Path(output), key, records=prompts, tell=voice.note, mode="overwrite")) as results,
        _provider(rpm) as provider,
        _client(provider, rpm) as client,
    ):
        voice.note(f"sending {prompts} questions to {provider.openai_url} at {rpm:,} requests a minute")
        session = Session(client, results, run=str(key), source={"prompts": None, "format": source.format})
        is_shown = progress and not voice.is_quiet
        status = answer(session, source.read(survey), left=prompts, show_progress=is_shown, voice=voice)
    voice.note(f"results are in {output}")
    click.get_current_context().exit(status)


def questions() -> Iterator[tuple[str, str]]:
    """(question, topic) pairs, all different; neighbours are about different subjects."""
    for form, (subject, topic) in product(_FORMS, _SUBJECTS.items()):
        yield form.format(subject), topic


def _as_json_lines(number: int) -> bytes:
    chosen = islice(questions(), number)
    rows = ({"id": f"q{place:03}", "topic": topic, "prompt": text} for place, (text, topic) in enumerate(chosen, 1))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _provider(rpm: int) -> FakeProvider:
    from deluge_sync.testing import FakeProvider  # loads the typed SDK, which --help needs not

    return FakeProvider(requests_per_minute=rpm, burst_s=1.0, latency_s=_latency_s, faults=_FAULTS)


def _latency_s(rng: random.Random) -> float:
    return rng.uniform(0.2, 0.8)


def _client(provider: FakeProvider, rpm: int) -> LLMClient:
    from deluge_sync.client import LLMClient  # as above

    return LLMClient(
        _MODEL,
        max_requests_per_minute=rpm,
        max_tokens_per_minute=rpm * 1_000,  # out of the way: the limit on show is the one on requests
        base_url=provider.openai_url,
        api_key="demo",
    )

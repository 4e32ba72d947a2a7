"""Memory stays flat however many prompts there are: they are never held together, nor are their answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deluge_sync.testing import FakeProvider, Reply

# Plans 200,000 prompts of a generator, all to be sent at a provider that takes none of them, and tells how much memory
# the process had at the most after 20,000 and in the end, in kilobytes.
PLAN = """
import resource, sys
from deluge_sync import LLMClient
from deluge_sync.errors import BatchError

most, early = int(sys.argv[3]), 0

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def prompts():
    global early
    for number in range(most):
        if number == most // 10:
            early = peak()
        yield f"prompt number {number}: what is it good for?"

client = LLMClient("gpt-4.1-mini", base_url=sys.argv[1], api_key="sk-test-0123456789")
try:
    client.submit_batch_job_sync(prompts(), manifest=sys.argv[2])
except BatchError as error:
    print(early, peak())
"""


def test_two_hundred_thousand_prompts_take_no_more_memory_than_twenty_thousand(
    fake_provider: FakeProvider, tmp_path: Path
) -> None:
    fake_provider.use_script(lambda _record: Reply.error(401))
    manifest = tmp_path / "job.jsonl"
    arguments = [fake_provider.openai_url, str(manifest), "200000"]

    done = subprocess.run(
        [sys.executable, "-c", PLAN, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env=os.environ,
    )

    early_kb, late_kb = map(int, done.stdout.split())
    assert late_kb - early_kb < 12_000
    files = sorted((tmp_path / "job.jsonl.files").glob("part-*.jsonl"))
    assert len(files) == 4  # of 50,000 requests each
    with files[3].open("rb") as last:
        assert sum(1 for _ in last) == 50_000


# Sends a file of 60 MB and fetches it back.
SEND = """
import resource, sys
from pathlib import Path
from deluge_sync._http import Transport
from deluge_sync.batch.wire import Wire
from deluge_sync.sdk import openai

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

directory = Path(sys.argv[2])
source = directory / "source.jsonl"
with source.open("wb") as file:
    for number in range(60):
        file.write(bytes([65 + number % 26]) * 999_999 + b"\\n")
wire = Wire(openai.api("sk-test-0123456789", base_url=sys.argv[1]), Transport(most_bytes=1 << 40), provider="openai")
wire.call(openai.list_files)
early = peak()
upload = openai.Upload(filename="source.jsonl", content=wire.placeholder)
stored = wire.call_with_file(openai.create_file, openai.FileUpload(file=upload, purpose="batch"), source)
wire.download(wire.api.prepare(openai.read_file, file_id=stored.id), directory / "copy.jsonl")
print(early, peak(), source.read_bytes() == (directory / "copy.jsonl").read_bytes())
"""


def test_files_go_from_the_disk_to_the_provider_and_back_in_pieces(fake_provider: FakeProvider, tmp_path: Path) -> None:
    arguments: list[Any] = [fake_provider.openai_url, str(tmp_path)]

    done = subprocess.run(
        [sys.executable, "-c", SEND, *arguments], capture_output=True, text=True, timeout=120, check=True
    )

    early_kb, late_kb, is_same = done.stdout.split()
    assert is_same == "True"
    assert int(late_kb) - int(early_kb) < 20_000

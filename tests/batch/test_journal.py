"""The manifest's file survives a kill at any byte, and nothing but a manifest is taken for one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.batch import list_jobs
from deluge_sync.batch.journal import Journal, read_records
from deluge_sync.batch.manifest import replay
from deluge_sync.batch.places import default_directory, load_job
from deluge_sync.errors import BatchError, ConfigError
from deluge_sync.testing import FakeProvider


def test_a_manifest_cut_at_any_byte_tells_what_its_whole_lines_say_and_can_be_gone_on_with(
    cases: Any, connect: Any, fake_provider: FakeProvider, tmp_path: Path
) -> None:
    client = connect(cases["openai"], fake_provider)
    ids = client.submit_batch_job_sync(["one", "two"], batch_size=1)
    client.wait_for_batch_job_sync(ids, poll_interval=0.02, show_progress=False)
    content = ids.manifest.read_bytes()
    path = tmp_path / "cut.jsonl"
    first_line = content.index(b"\n") + 1

    for size in range(max(first_line, len(content) - 300), len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].count(b"\n")
        assert len(read_records(path)) == whole
        before = load_job(path)
        with Journal.open(path) as journal:
            journal.append({"record": "something of a later version"})
        assert len(read_records(path)) == whole + 1
        assert load_job(path) == before


def test_what_was_appended_is_there_and_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.jsonl"
    with Journal.create(path) as journal:
        journal.append({"record": "first"})

        def full(descriptor: int, data: bytes) -> int:
            written(descriptor, data[:3])
            raise OSError(28, "No space left on device")

        written = os.write
        with monkeypatch.context() as patch:
            patch.setattr("os.write", full)
            with pytest.raises(OSError, match="No space left"):
                journal.append({"record": "second"})
        journal.append({"record": "third"})

    assert [record["record"] for record in read_records(path)] == ["first", "third"]


def test_a_job_is_one_workers_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "job.jsonl"
    with Journal.create(path), pytest.raises(BatchError, match="another process or thread"):
        Journal.open(path)
    Journal.open(path).close()


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"index": 0}\n', b"half a li", b'{"record": "job"}\n', b"\xff\n"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "job.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="manifest"):
        load_job(path)
    with pytest.raises(ConfigError, match="no manifest at"):
        load_job(tmp_path / "missing.jsonl")
    assert list_jobs(tmp_path) == []


def test_a_manifest_of_a_later_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="not a manifest that this version reads"):
        replay([{"record": "job", "version": 2, "id": "x", "created_at": 0, "routes": []}])


def test_the_default_directory_follows_the_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_directory({}) == tmp_path / ".local" / "state" / "deluge_sync" / "batches"
    assert default_directory({"XDG_STATE_HOME": "/var/state"}) == Path("/var/state/deluge_sync/batches")
    # What is not absolute is to be ignored.
    assert default_directory({"XDG_STATE_HOME": "state"}) == default_directory({})


def test_the_manifest_is_complete_before_the_first_upload(
    cases: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    seen: list[int | None] = []
    directory = default_directory()

    def script(record: Any) -> None:
        if record.method == "POST":
            seen.extend(load_job(path).prompts for path in directory.glob("*.jsonl"))

    fake_provider.use_script(script)
    ids = connect(cases["openai"], fake_provider).submit_batch_job_sync(["one", "two"])

    assert seen == [2, 2]
    assert json.loads(ids.manifest.read_bytes().splitlines()[0])["record"] == "job"

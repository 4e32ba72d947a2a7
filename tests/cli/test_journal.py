from __future__ import annotations

import fcntl
import json
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deluge_sync.cli import journal as journal_module
from deluge_sync.cli.exits import BadInputError, ResultsError
from deluge_sync.cli.journal import Journal, Mode, RunKey, open_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = RunKey("a" * 64, "b" * 64)
OTHER_PROMPTS = RunKey("c" * 64, KEY.settings)
OTHER_SETTINGS = RunKey(KEY.prompts, "d" * 64)


def row(index: int, *, error: str | None = None, completion: str = "é", key: RunKey = KEY) -> bytes:
    told = {"kind": error, "message": error} if error else None
    fields = {"index": index, "completion": completion, "error": told, "run": str(key)}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


class Opener:
    """Opens journals of ten prompts at one path, closes all of them at the end, and remembers what was told."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self._path = path
        self._opened: list[Journal] = []

    def __call__(self, mode: Mode = "resume", key: RunKey = KEY, records: int = 10) -> Journal:
        journal = open_journal(self._path, key, records=records, tell=self.told.append, mode=mode)
        self._opened.append(journal)
        return journal

    def close(self) -> None:
        for journal in self._opened:
            journal.close()


@pytest.fixture
def opened(path: Path) -> Iterator[Opener]:
    opener = Opener(path)
    yield opener
    opener.close()


def done(journal: Journal, records: int = 10) -> list[int]:
    return [index for index in range(records) if journal.has(index)]


def refusal(opened: Opener, **arguments: Any) -> str:
    with pytest.raises(BadInputError) as caught:
        opened(**arguments)
    return caught.value.message


def test_a_new_file_is_made_and_holds_what_is_appended(path: Path, opened: Opener) -> None:
    journal = opened()
    journal.append(row(3))
    assert path.read_bytes() == row(3)
    journal.append(row(1))
    journal.close()
    assert path.read_bytes() == row(3) + row(1)
    assert opened.told == []


def test_reopening_knows_which_prompts_have_a_row(path: Path, opened: Opener) -> None:
    path.write_bytes(row(9) + row(0) + row(4, error="server"))
    journal = opened()
    assert done(journal) == [0, 4, 9]
    assert (journal.answered, journal.failed) == (2, 1)
    assert not journal.has(10)
    assert not journal.has(-1)


def test_a_row_is_one_write_and_in_the_file_before_append_returns(
    path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    real_write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        writes.append(len(data))
        return real_write(descriptor, data)

    monkeypatch.setattr(os, "write", counted)
    long = row(0, completion="x" * 1_000_000)
    opened().append(long)
    assert writes == [len(long)]
    assert path.read_bytes() == long


def test_a_last_line_cut_at_any_byte_is_repaired(path: Path, opened: Opener) -> None:
    whole, last = row(0) + row(1), row(2, completion="ü\n€ \U0001f600")
    for cut in range(1, len(last) - 1):
        path.write_bytes(whole + last[:cut])
        opened.told.clear()
        journal = opened()
        assert done(journal) == [0, 1]
        assert opened.told == [
            f"removed half a last line ({cut} bytes) of results.jsonl; its prompt will be sent again"
        ]
        assert path.read_bytes() == whole
        journal.append(last)
        journal.close()
        assert path.read_bytes() == whole + last


def test_a_first_line_cut_at_any_byte_is_repaired(path: Path, opened: Opener) -> None:
    only = row(2)
    for cut in range(1, len(only) - 1):
        path.write_bytes(only[:cut])
        journal = opened()
        assert done(journal) == []
        journal.close()
        assert path.read_bytes() == b""


def test_a_last_row_that_lacks_only_its_line_end_is_kept(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0) + row(1)[:-1])
    journal = opened()
    assert done(journal) == [0, 1]
    journal.append(row(2))
    assert path.read_bytes() == row(0) + row(1) + row(2)
    assert opened.told == ["ended the last line of results.jsonl, which was whole but for its line end"]


def test_zeros_that_a_power_cut_leaves_at_the_end_are_removed(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0) + b"\0" * 4096)
    assert done(opened()) == [0]
    assert path.read_bytes() == row(0)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (row(1)[:20] + b"\n", "not a row of results"),
        (b"\n", "not a row of results"),
        (b'{"index": 1}\n', "not a row of results"),
        (b'{"index": -1, "run": "aaaaaaaaaaaa-bbbbbbbbbbbb"}\n', "not a row of results"),
        (b'{"index": true, "run": "aaaaaaaaaaaa-bbbbbbbbbbbb"}\n', "not a row of results"),
        (b"[" * 100_000 + b"\n", "not a row of results"),
        (b"\xff\xfe\n", "not a row of results"),
        (row(0), "a second row with index 0"),
        (row(10), "index 10, but there are only 10 prompts"),
    ],
    ids=range(9),
)
def test_a_damaged_line_in_the_middle_is_refused_with_its_number(
    path: Path, opened: Opener, line: bytes, what: str
) -> None:
    content = row(0) + line + row(2)
    path.write_bytes(content)
    assert refusal(opened) == (
        f"{path}:2: {what}; remove or correct that line by hand (a removed prompt is sent again), "
        "or --restart to move the file aside and begin anew"
    )
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"hello\n",
        b"\n",
        b'{"prompt": "Hi"}\n',
        b'{"prompt": "Hi"}',
        b'{"index": 0}',
        b'{"index": 0, "run": "mine"}\n',
        b"\x89PNG\r\n\x1a\n\0\0",
        b'[{"index": 0',
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(path: Path, opened: Opener, content: bytes) -> None:
    path.write_bytes(content)
    for mode in ("resume", "retry"):
        assert refusal(opened, mode=mode) == (
            f"{path} holds something else than results of 'run'; "
            "choose another -o, or --restart to move it aside and begin anew"
        )
    assert path.read_bytes() == content


SETTINGS = "model, system, max-tokens, temperature, base-url, schema, images, config"


@pytest.mark.parametrize(
    ("key", "what"),
    [
        (OTHER_PROMPTS, "a different prompts file"),
        (OTHER_SETTINGS, f"different settings ({SETTINGS})"),
        (RunKey("c" * 64, "d" * 64), f"a different prompts file and different settings ({SETTINGS})"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_answers_of_another_run_are_refused_and_named(
    path: Path, opened: Opener, key: RunKey, what: str, end: bytes
) -> None:
    content = row(0, key=key).rstrip(b"\n") + end
    path.write_bytes(content)
    assert refusal(opened) == (
        f"{path} has the answers to {what}; choose another -o, or --restart to move it aside and begin anew"
    )
    assert path.read_bytes() == content


def test_two_openers_of_one_file_are_one_too_many(path: Path, opened: Opener) -> None:
    first = opened()
    first.append(row(0))
    for mode in ("resume", "retry", "restart", "overwrite"):
        assert refusal(opened, mode=mode) == f"{path} is in use by another process"
    assert path.read_bytes() == row(0)
    first.close()
    assert done(opened()) == [0]


def test_the_lock_is_kept_while_the_file_is_replaced(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0) + row(1, error="server"))
    retrying = opened("retry")
    assert refusal(opened) == f"{path} is in use by another process"
    retrying.close()
    restarted = opened("restart")
    assert refusal(opened) == f"{path} is in use by another process"
    restarted.close()


def test_a_file_replaced_between_opening_and_locking_is_opened_again(
    path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(row(0))
    real_flock, replacements = fcntl.flock, [row(5)]

    def flock_late(descriptor: int, operation: int) -> None:
        if replacements:
            draft = path.with_name("draft")
            draft.write_bytes(replacements.pop())
            draft.replace(path)
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    journal = opened()
    assert done(journal) == [5]
    journal.append(row(6))
    assert path.read_bytes() == row(5) + row(6)


def test_restart_moves_the_old_file_to_the_first_free_name(path: Path, opened: Opener) -> None:
    path.with_name("results.jsonl.1").write_bytes(b"older")
    path.write_bytes(b"anything at all")
    journal = opened("restart")
    assert done(journal) == []
    journal.append(row(0))
    assert path.read_bytes() == row(0)
    assert path.with_name("results.jsonl.1").read_bytes() == b"older"
    assert path.with_name("results.jsonl.2").read_bytes() == b"anything at all"
    assert opened.told == ["moved the old results.jsonl aside to results.jsonl.2"]


def test_restart_leaves_nothing_behind_for_an_empty_or_missing_file(path: Path, opened: Opener) -> None:
    opened("restart").close()
    opened("restart").close()
    assert list(path.parent.iterdir()) == [path]
    assert opened.told == []


def test_overwrite_empties_its_own_file_and_moves_any_other_aside(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0, key=OTHER_PROMPTS))
    opened("overwrite").close()
    assert path.read_bytes() == b""
    assert list(path.parent.iterdir()) == [path]
    path.write_bytes(row(0, key=OTHER_SETTINGS))
    opened("overwrite").close()
    assert path.with_name("results.jsonl.1").read_bytes() == row(0, key=OTHER_SETTINGS)
    assert path.read_bytes() == b""


def test_retry_drops_the_rows_of_failed_prompts_only(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0) + row(1, error="server") + row(2) + row(3, error="timeout"))
    path.chmod(0o640)
    journal = opened("retry")
    assert done(journal) == [0, 2]
    assert (journal.answered, journal.failed) == (2, 0)
    journal.append(row(3))
    assert path.read_bytes() == row(0) + row(2) + row(3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_retry_repairs_half_a_last_line_first(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0) + row(1, error="server") + row(2)[:9])
    assert done(opened("retry")) == [0]
    assert path.read_bytes() == row(0)


def test_retry_without_failed_rows_leaves_the_file_in_place(path: Path, opened: Opener) -> None:
    path.write_bytes(row(0))
    before = path.stat().st_ino
    opened("retry")
    assert path.stat().st_ino == before


@pytest.mark.parametrize("step", ["_copy_answered", "fsync", "replace", "close", "_sync_directory"])
def test_a_crash_at_any_step_of_a_retry_leaves_every_answer(
    path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process dies in a step: nothing after it happens, not even the cleaning up."""

    def die(*_: object) -> None:
        os._exit(9)

    path.write_bytes(row(0) + row(1, error="server") + row(2))
    if (child := os.fork()) == 0:
        owner: Any = {"fsync": os, "close": os, "replace": Path}.get(step, journal_module)
        monkeypatch.setattr(owner, step, die)
        opened("retry")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    is_replaced = step in ("close", "_sync_directory")
    assert path.read_bytes() == row(0) + (b"" if is_replaced else row(1, error="server")) + row(2)
    assert done(opened("retry")) == [0, 2]
    assert path.read_bytes() == row(0) + row(2)
    assert list(path.parent.iterdir()) == [path]


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes: what a full disk does, told as EFBIG.

    That holds for the output of the tests too, so nothing may be written to it meanwhile.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_row_that_does_not_fit_the_disk_is_taken_back_whole(path: Path, opened: Opener) -> None:
    journal = opened()
    journal.append(row(0))
    with small_disk(), pytest.raises(ResultsError, match=r"cannot write .*: File too large; what it holds is intact"):
        journal.append(row(1, completion="x" * 2_000))
    assert path.read_bytes() == row(0)
    journal.append(row(2))
    assert path.read_bytes() == row(0) + row(2)


def test_a_retry_that_does_not_fit_the_disk_changes_nothing(path: Path, opened: Opener) -> None:
    content = row(0, completion="x" * 2_000) + row(1, error="server")
    path.write_bytes(content)
    with small_disk(), pytest.raises(ResultsError, match=r"cannot rewrite .*: File too large; it is as it was"):
        opened("retry")
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_symbolic_link_stays_one(path: Path, opened: Opener) -> None:
    target = path.with_name("target.jsonl")
    target.write_bytes(row(0) + row(1, error="server"))
    path.symlink_to(target)
    opened("retry").append(row(1))
    assert path.is_symlink()
    assert target.read_bytes() == row(0) + row(1)


def test_what_is_no_file_is_refused(tmp_path: Path, opened: Opener, path: Path) -> None:
    for place, reason in (
        (tmp_path, f"cannot open {tmp_path}: Is a directory"),
        (tmp_path / "none" / "r.jsonl", f"cannot open {tmp_path}/none/r.jsonl: No such file or directory"),
        (Path("/dev/null"), "/dev/null is no regular file; '-o -' writes to standard output"),
    ):
        with pytest.raises(BadInputError) as caught:
            open_journal(place, KEY, records=10, tell=opened.told.append)
        assert caught.value.message == reason
    assert not path.exists()


def test_a_refused_file_is_not_kept_locked_or_open(path: Path, opened: Opener) -> None:
    path.write_bytes(b"hello\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for mode in ("resume", "retry"):
        refusal(opened, mode=mode)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    path.write_bytes(b"")
    opened()


def test_closing_twice_does_nothing(opened: Opener) -> None:
    journal = opened()
    journal.close()
    journal.close()


def test_a_million_prompts_are_remembered_in_125_kilobytes(opened: Opener) -> None:
    journal = opened(records=1_000_000)
    assert len(journal._rows._bits) == 125_000

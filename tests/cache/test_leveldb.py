"""LevelDB belongs to one process: what the cache does in a second one, and where plyvel is missing."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deluge_sync import APIResponse, Conversation
from deluge_sync.cache import LevelDBCache
from deluge_sync.errors import ConfigError

Ask = Callable[[str], Conversation]
Answer = Callable[..., APIResponse]


def test_without_plyvel_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plyvel", None)
    with pytest.raises(ConfigError, match=r"pip install 'deluge-sync\[leveldb\]'"):
        LevelDBCache(tmp_path)


class TestWithPlyvel:
    @pytest.fixture(autouse=True)
    def _plyvel(self) -> None:
        pytest.importorskip("plyvel", reason="plyvel (the extra leveldb) is not installed")

    def test_it_lies_in_the_users_cache_directory_unless_told(self, monkeypatch: Any) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
        assert LevelDBCache().path == Path("/somewhere/deluge_sync/answers.leveldb")

    def test_the_directory_is_the_owners_alone(self, tmp_path: Path, ask: Ask, answer: Answer) -> None:
        with closing(LevelDBCache(tmp_path / "a" / "b")) as cache:
            cache.put(ask("x"), answer())
            assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
            assert stat.S_IMODE(cache.path.stat().st_mode) == 0o700

    @pytest.mark.parametrize("is_used", [False, True])
    def test_a_directory_that_was_there_is_closed_to_others(
        self, is_used: bool, tmp_path: Path, ask: Ask, answer: Answer
    ) -> None:
        path = tmp_path / "open"
        path.mkdir()
        if is_used:
            with closing(LevelDBCache(path)) as cache:
                cache.put(ask("x"), answer())
        path.chmod(0o755)
        with closing(LevelDBCache(path)) as cache:
            cache.put(ask("x"), answer())
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            assert cache.get(ask("x")) is not None

    def test_a_directory_of_other_things_is_left_alone(
        self, tmp_path: Path, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        tmp_path.chmod(0o755)
        (tmp_path / "letters").touch()
        with closing(LevelDBCache(tmp_path)) as cache:
            cache.put(ask("x"), answer())
            assert cache.get(ask("x")) is None
        assert list(tmp_path.iterdir()) == [tmp_path / "letters"]
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
        assert "give a directory of its own" in caplog.text

    def test_a_second_user_of_the_directory_goes_without(
        self, tmp_path: Path, ask: Ask, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        with closing(LevelDBCache(tmp_path / "x")) as first, closing(LevelDBCache(tmp_path / "x")) as second:
            first.put(ask("x"), answer())
            for _ in range(3):
                assert second.get(ask("x")) is None
            assert first.get(ask("x")) is not None
        assert len(caplog.records) == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_forked_child_goes_without(self, tmp_path: Path, program: Callable[..., Any]) -> None:
        forks = """
import os, sys
from deluge_sync import APIResponse, Conversation, Message, SamplingParams
from deluge_sync.cache import LevelDBCache

cache, prompt = LevelDBCache(sys.argv[1]), Conversation().user("x")
answer = APIResponse(0, "m", prompt, SamplingParams(), 200, False, None, content=Message.ai("y"))
cache.put(prompt, answer)
child = os.fork()
if child == 0:
    print(cache.get(prompt), cache.put(prompt, answer), flush=True)
    sys.exit(0)
print(os.waitpid(child, 0)[1], cache.get(prompt).completion)
cache.close()
"""
        out, _ = program(forks, tmp_path / "x").communicate(timeout=20)
        assert out == "None None\n0 y\n"

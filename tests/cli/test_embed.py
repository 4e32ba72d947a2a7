from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.client import LLMClient
from deluge_sync.testing import FakeProvider, Reply

numpy = pytest.importorskip("numpy", reason="numpy judges the arrays")

WORDS = ["alpha", "beta", "gamma"]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("alpha\nbeta\n\ngamma\n")
    return path


@pytest.fixture
def embed(cli: Any, fake_provider: FakeProvider) -> Any:
    """`embed(texts, *options)` runs the command against the fake provider."""
    return lambda *arguments: cli("embed", "--base-url", fake_provider.openai_url, "--no-progress", *arguments)


@pytest.fixture
def vectors(fake_provider: FakeProvider) -> Any:
    """What the client itself gives for WORDS."""
    with LLMClient(base_url=fake_provider.openai_url, api_key="k") as client:
        return client.embed_sync(WORDS, dimensions=5, show_progress=False).to_numpy()


def test_json_lines_have_a_vector_for_each_text(embed: Any, words: Path, vectors: Any) -> None:
    ended = embed(words, "-o", "v.jsonl", "--dimensions", "5")
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    assert ended.status == 0
    assert [list(row) for row in rows] == [["index", "id", "embedding", "error"]] * 3
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert numpy.array_equal(numpy.array([row["embedding"] for row in rows], dtype="float32"), vectors)
    assert ended.err.startswith("3 texts, 0 failed; ")


def test_an_array_is_one_that_numpy_reads(embed: Any, words: Path, vectors: Any) -> None:
    assert embed(words, "-o", "v.npy", "--dimensions", "5").status == 0
    loaded = numpy.load("v.npy", allow_pickle=False)
    assert (loaded.shape, loaded.dtype) == ((3, 5), "float32")
    assert numpy.array_equal(loaded, vectors)


def test_json_is_a_summary_for_machines(embed: Any, words: Path) -> None:
    ended = embed(words, "-o", "v.npy", "--json", "--limit", "2")
    assert ended.err == ""
    document = json.loads(ended.out)
    assert (document["texts"], document["failed"], document["dimensions"]) == (2, 0, 1_536)
    assert document["model"] == "text-embedding-3-small"
    assert document["cost"] > 0


def test_standard_output_gets_rows_only(embed: Any, words: Path) -> None:
    ended = embed(words, "-o", "-", "--dimensions", "2", "--json")
    assert [len(json.loads(line)["embedding"]) for line in ended.out.splitlines()] == [2, 2, 2]


def test_a_column_of_a_table_holds_the_texts(embed: Any, tmp_path: Path, fake_provider: FakeProvider) -> None:
    (tmp_path / "t.csv").write_text("id,body\nx,alpha\ny,beta\n")
    assert embed("t.csv", "-o", "v.jsonl", "--column", "body").status == 0
    assert [json.loads(line)["id"] for line in Path("v.jsonl").read_text().splitlines()] == ["x", "y"]
    assert [record.json["input"] for record in fake_provider.ledger] == [["alpha", "beta"]]
    (tmp_path / "t.jsonl").write_text('{"text": "a"}\n{"prompt": "b"}\n')
    assert embed("t.jsonl", "-o", "w.jsonl").err == "error: t.jsonl:2: no 'text'\n"
    assert embed("t.csv", "-o", "w.jsonl").err == "error: t.csv:1: no column named 'text' (found: 'id', 'body')\n"


def test_texts_that_fail_are_told_and_are_no_numbers(embed: Any, words: Path, fake_provider: FakeProvider) -> None:
    def refuse_beta(record: Any) -> Reply | None:
        return Reply.error(400, message="not this one") if "beta" in record.json["input"] else None

    fake_provider.use_script(refuse_beta)
    assert embed(words, "-o", "v.npy", "--dimensions", "3").status == 1
    assert numpy.isnan(numpy.load("v.npy")).all(axis=1).tolist() == [False, True, False]
    ended = embed(words, "-o", "v.jsonl", "--dimensions", "3")
    rows = [json.loads(line) for line in Path("v.jsonl").read_text().splitlines()]
    assert (ended.status, rows[1]["embedding"], rows[1]["error"]["kind"]) == (1, None, "bad_request")
    assert ended.err.startswith("3 texts, 1 failed")


def test_files_larger_than_a_chunk_keep_their_order(
    embed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_provider: FakeProvider
) -> None:
    monkeypatch.setattr("deluge_sync.cli.embed._AT_ONCE", 2)
    (tmp_path / "t.txt").write_text("".join(f"text {n}\n" for n in range(5)))
    assert embed("t.txt", "-o", "v.npy", "--dimensions", "2", "--cache", "c.sqlite").status == 0
    assert [record.json["input"] for record in fake_provider.ledger] == [
        ["text 0", "text 1"],
        ["text 2", "text 3"],
        ["text 4"],
    ]
    first = numpy.load("v.npy")
    ended = embed("t.txt", "-o", "v.npy", "--dimensions", "2", "--cache", "c.sqlite", "--force")
    assert numpy.array_equal(numpy.load("v.npy"), first)
    assert "5 from the cache; 0 tokens, $0.000000" in ended.err
    assert len(fake_provider.ledger) == 3


def test_ctrl_c_keeps_what_was_written(embed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deluge_sync.cli.embed._AT_ONCE", 2)
    calls = []
    usual = LLMClient.embed_sync

    def embed_sync(client: LLMClient, texts: list[str], **options: Any) -> Any:
        calls.append(texts)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return usual(client, texts, **options)

    monkeypatch.setattr(LLMClient, "embed_sync", embed_sync)
    (tmp_path / "t.txt").write_text("".join(f"text {n}\n" for n in range(5)))
    ended = embed("t.txt", "-o", "v.npy", "--dimensions", "2")
    assert ended.status == 130
    assert ended.err.startswith("interrupted; 2 texts are written\n")
    assert numpy.load("v.npy").shape == (2, 2)


def test_vectors_that_are_there_are_not_lost(embed: Any, words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("v.npy").write_bytes(b"precious")
    ended = embed(words, "-o", "v.npy")
    assert (ended.status, ended.err) == (
        2,
        "error: v.npy is there already; choose another -o, or --force to replace it\n",
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    assert embed(words, "-o", "v.npy", "--force").status == 2
    assert Path("v.npy").read_bytes() == b"precious"


BAD = [
    ("words.txt -o none/v.npy", "cannot open none/v.npy: no such directory"),
    ("words.txt -o .", "cannot open .: it is a directory"),
    ("none.txt -o v.npy", "none.txt: No such file or directory"),
    ("words.txt -o v.npy -m a -m b", "--model: vectors of different models cannot be compared; give one"),
]


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize(("arguments", "reason"), BAD, ids=[arguments for arguments, _ in BAD])
def test_what_cannot_be_used_is_one_clear_line(embed: Any, arguments: str, reason: str) -> None:
    ended = embed(*arguments.split())
    assert (ended.status, ended.err) == (2, f"error: {reason}\n")

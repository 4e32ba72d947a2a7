from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from deluge_sync.cli.exits import BadInputError
from deluge_sync.cli.prompts import Format, Prompt, PromptFile, Survey, open_prompts

if TYPE_CHECKING:
    from pathlib import Path


def survey(content: bytes, file_format: Format | None) -> tuple[Survey, list[str], list[Prompt]]:
    """Both passes over a file `p` of this content: the survey, the bad lines' messages, the prompts."""
    messages: list[str] = []
    prompts = PromptFile(io.BytesIO(content), "p", file_format)
    found = prompts.survey(messages.append)
    return found, messages, list(prompts.read(found))


def read(content: bytes, file_format: Format | None = None) -> list[Prompt]:
    found, messages, prompts = survey(content, file_format)
    assert messages == []
    assert found.records == found.good == len(prompts)
    return prompts


def test_json_lines_give_text_id_and_carried_fields() -> None:
    content = b'{"prompt": "Hi", "id": "a", "topic": {"x": [1, null]}}\n{"prompt": "Ho"}\n'
    assert read(content, "jsonl") == [
        Prompt(0, 1, "a", "Hi", {"topic": {"x": [1, None]}}),
        Prompt(1, 2, 1, "Ho", {}),
    ]


def test_id_null_means_the_index_and_other_falsy_ids_are_kept() -> None:
    prompts = read(b'{"prompt": "a", "id": null}\n{"prompt": "b", "id": 0}\n{"prompt": "c", "id": ""}\n', "jsonl")
    assert [prompt.id for prompt in prompts] == [0, 0, ""]


def test_messages_are_read_as_a_conversation() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    [prompt] = read(json.dumps({"messages": messages, "n": 1}).encode(), "jsonl")
    assert prompt.conversation().to_openai() == messages
    assert prompt.carried == {"n": 1}


def test_system_text_comes_first_unless_the_row_brings_its_own() -> None:
    rows = [
        {"prompt": "Hi"},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "developer", "content": "Mine."}, {"role": "user", "content": "Hi"}]},
    ]
    prompts = read("\n".join(map(json.dumps, rows)).encode(), "jsonl")
    sent = [[message["content"] for message in prompt.conversation("Be brief.").to_openai()] for prompt in prompts]
    assert sent == [["Be brief.", "Hi"], ["Be brief.", "Hi"], ["Mine.", "Hi"]]


def test_csv_cells_may_hold_commas_quotes_and_line_ends() -> None:
    content = b'id,prompt,lang\r\n7,"One, ""two""\r\nthree",en\r\n\r\n8,Four,de\r\n'
    assert read(content, "csv") == [
        Prompt(0, 2, "7", 'One, "two"\r\nthree', {"lang": "en"}),
        Prompt(1, 5, "8", "Four", {"lang": "de"}),
    ]


def test_text_is_one_prompt_a_line_as_it_stands() -> None:
    prompts = read(b"  first, {x}\r\n\n \t\nsecond", "text")
    assert prompts == [Prompt(0, 1, 0, "  first, {x}"), Prompt(1, 4, 1, "second")]


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "text"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(file_format: Format) -> None:
    first = {"jsonl": b'{"prompt": "Hi"}', "csv": b"prompt\nHi", "text": b"Hi"}[file_format]
    assert [prompt.content for prompt in read(b"\xef\xbb\xbf" + first + b"\n", file_format)] == ["Hi"]


BAD_JSON_LINES = [
    (b"{oops}", "not JSON: Expecting property name enclosed in double quotes (column 2)"),
    (b'{"prompt": "a"', "not JSON: Expecting ',' delimiter (column 15)"),
    (b'{"prompt": "a", "x": NaN}', "not JSON: NaN is no JSON number"),
    (b'{"prompt": "a", "x": -Infinity}', "not JSON: -Infinity is no JSON number"),
    (b'["a"]', "a JSON array; JSON lines are needed, one object a line"),
    (b"[" * 100_000, "a JSON array; JSON lines are needed, one object a line"),
    (b'{"prompt": ' + b"[" * 100_000, "not usable JSON: nested too deeply"),
    (b'"a"', "not a JSON object but a string"),
    (b"17", "not a JSON object but a number"),
    (b"null", "not a JSON object but null"),
    (b"true", "not a JSON object but a boolean"),
    (b"{}", "no 'prompt' and no 'messages'"),
    (b'{"text": "a"}', "no 'prompt' and no 'messages'"),
    (b'{"prompt": ""}', "'prompt' is empty"),
    (b'{"prompt": " \\n"}', "'prompt' is empty"),
    (b'{"prompt": 5}', "'prompt' is not a text but a number"),
    (b'{"prompt": null}', "'prompt' is not a text but null"),
    (b'{"prompt": ["a"]}', "'prompt' is not a text but an array"),
    (b'{"prompt": {"a": 1}}', "'prompt' is not a text but an object"),
    (b'{"prompt": "a", "messages": []}', "both 'prompt' and 'messages'; one of them is needed"),
    (b'{"messages": []}', "'messages' is not a list of messages"),
    (b'{"messages": "Hi"}', "'messages' is not a list of messages"),
    (b'{"messages": ["Hi"]}', "'messages': message 0: not a dict with role and content: 'Hi'"),
    (b'{"messages": [{"content": "Hi"}]}', "'messages': message 0: it has no role"),
    (b'{"messages": [{"role": "user"}]}', "'messages': message 0: the user message has no content"),
    (b'{"prompt": "\\ud800"}', "a lone surrogate (half a \\u pair), which is no text"),
    (b'{"messages": [{"role": "user", "content": "\\udc00"}]}', "a lone surrogate (half a \\u pair), which is no text"),
    (b'{"prompt": "\xff"}', "not UTF-8: byte 0xff at position 12"),
    ('{"prompt": "a"}'.encode("utf-16"), "not UTF-8: byte 0xff at position 0"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_JSON_LINES, ids=[reason[:40] for _, reason in BAD_JSON_LINES])
def test_bad_json_line_is_told_with_its_number_and_passed_over(line: bytes, reason: str) -> None:
    found, messages, prompts = survey(
        b'\n{"prompt": "a"}\n' + line.replace(b"\n", b"") + b'\n{"prompt": "z"}\n', "jsonl"
    )
    assert messages == [f"p:3: {reason}"]
    assert [(prompt.index, prompt.content) for prompt in prompts] == [(0, "a"), (2, "z")]
    assert (found.records, found.good) == (3, 2)


def test_an_integer_of_too_many_digits_is_a_bad_line() -> None:
    [message] = survey(b'{"prompt": "a", "n": ' + b"9" * 5000 + b"}", "jsonl")[1]
    assert message.startswith("p:1: not JSON: Exceeds the limit")


BAD_CSV_LINES = [
    (b"1,2,3", "3 cells, but the header has 2 columns"),
    (b"1", "1 cells, but the header has 2 columns"),
    (b"1,", "'prompt' is empty"),
    (b"1,\xe9t\xe9", "not UTF-8"),
    (b'1,"a"b', "not CSV: ',' expected after '\"'"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_CSV_LINES)
def test_bad_csv_line_is_told_with_its_number_and_passed_over(line: bytes, reason: str) -> None:
    _, messages, prompts = survey(b'id,prompt\n1,"two\nlines"\n' + line + b"\n3,z\n", "csv")
    assert messages == [f"p:4: {reason}"]
    assert [(prompt.index, prompt.id, prompt.line) for prompt in prompts] == [(0, "1", 2), (2, "3", 5)]


def test_an_unclosed_quote_is_told_at_the_line_where_it_opens() -> None:
    _, messages, prompts = survey(b'prompt\na\n"b\nc\nd\n', "csv")
    assert messages == ["p:3: not CSV: unexpected end of data"]
    assert [prompt.content for prompt in prompts] == ["a"]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"id,text\n1,a\n", "p:1: no column named 'prompt' (found: 'id', 'text')"),
        (b"\nprompt,x,x\n", "p:2: column 'x' appears twice"),
        (b"prompt,\xff\n", "p:1: not UTF-8"),
        (b'"prompt"x,y\n', "p:1: not CSV: ',' expected after '\"'"),
    ],
)
def test_a_csv_header_without_use_ends_the_reading(header: bytes, reason: str) -> None:
    with pytest.raises(BadInputError) as caught:
        survey(header + b"a,b\n", "csv")
    assert caught.value.message == reason


def test_text_that_is_no_utf8_is_a_bad_line() -> None:
    assert survey(b"a\n\xe9\nb\n", "text")[1] == ["p:2: not UTF-8: byte 0xe9 at position 0"]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("file_format", ["jsonl", "csv", "text", None])
def test_a_file_of_blank_lines_holds_no_prompts(content: bytes, file_format: Format | None) -> None:
    assert read(content, file_format) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n {"prompt": "a"}\n', "jsonl"),
        (b'{"prompt": broken', "jsonl"),
        (b"[1]", "jsonl"),
        (b"\xef\xbb\xbfid,prompt\n", "csv"),
        (b"prompt\na\n", "csv"),
        (b'"prompt","x"\n', "csv"),
        (b"What is a prompt, please?\n", "text"),
        (b"\xff\xfe", "text"),
        (b"", "text"),
    ],
)
def test_the_format_is_guessed_from_the_first_line(content: bytes, expected: str) -> None:
    assert PromptFile(io.BytesIO(content), "p").format == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p.jsonl", "jsonl"),
        ("p.NDJSON", "jsonl"),
        ("p.json", "jsonl"),
        ("p.csv", "csv"),
        ("p.txt", "text"),
        ("p.dat", "csv"),
    ],
)
def test_the_format_follows_the_name_and_else_the_content(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_bytes(b"prompt\nHi\n")
    with open_prompts(str(tmp_path / name)) as prompts:
        assert prompts.format == expected
    with open_prompts(str(tmp_path / name), "text") as prompts:
        assert prompts.format == "text"


def test_digest_stands_for_content_and_format() -> None:
    digests = {
        survey(content, file_format)[0].digest
        for content in (b"prompt\na\n", b"prompt\nb\n", b"prompt\na")
        for file_format in ("csv", "text")
    }
    assert len(digests) == 6
    assert survey(b"prompt\na\n", "csv")[0].digest in digests


def test_what_is_appended_after_the_survey_is_not_read() -> None:
    file = io.BytesIO(b"a\nb\n")
    prompts = PromptFile(file, "p", "text")
    found = prompts.survey(lambda message: pytest.fail(message))
    file.seek(0, io.SEEK_END)
    file.write(b"c\n")
    assert [prompt.content for prompt in prompts.read(found)] == ["a", "b"]


def test_missing_file_and_directory_are_told_in_one_line(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.jsonl", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(BadInputError) as caught, open_prompts(str(path)):
            pytest.fail("opened")
        assert caught.value.message == f"{path}: {reason}"


def test_a_fifo_is_read_twice_all_the_same(tmp_path: Path) -> None:
    fifo = tmp_path / "p.jsonl"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b'{"prompt": "a"}\n{"prompt": "b"}\n',))
    writer.start()
    with open_prompts(str(fifo)) as prompts:
        writer.join()
        found = prompts.survey(lambda message: pytest.fail(message))
        assert [prompt.content for prompt in prompts.read(found)] == ["a", "b"]


def test_standard_input_is_read_twice_and_called_stdin(tmp_path: Path) -> None:
    script = (
        "from deluge_sync.cli.prompts import open_prompts\n"
        "with open_prompts('-') as prompts:\n"
        "    found = prompts.survey(lambda message: None)\n"
        "    print(prompts.name, prompts.format, found.records, [p.content for p in prompts.read(found)])\n"
    )
    (tmp_path / "in").write_bytes(b'a header that the shell has read\n{"prompt": "a"}\n{"prompt": "b"}\n')
    with (tmp_path / "in").open("rb", buffering=0) as stdin:
        stdin.readline()
        ran = subprocess.run([sys.executable, "-c", script], stdin=stdin, capture_output=True, text=True, check=True)
    assert ran.stdout == "stdin jsonl 2 ['a', 'b']\n"


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    with path.open("w") as file:
        file.writelines(f"prompt number {number} of very many\n" for number in range(200_000))
    size = path.stat().st_size
    with open_prompts(str(path)) as prompts:
        tracemalloc.start()
        try:
            found = prompts.survey(lambda message: pytest.fail(message))
            last = None
            for last in prompts.read(found):  # noqa: B007
                pass
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert found.good == 200_000
    assert last is not None
    assert last.content == "prompt number 199999 of very many"
    assert peak < 500_000 < size


def test_damaged_bytes_never_raise_anything_but_bad_lines() -> None:
    rng = random.Random(7)
    good = b'{"prompt": "a, \xc3\xa9", "messages2": [{"role": "user"}], "id": 1}\n' * 3
    formats: list[Any] = ["jsonl", "csv", "text", None]
    for _ in range(400):
        damaged = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        for file_format in formats:
            try:
                found, messages, prompts = survey(bytes(damaged), file_format)
            except BadInputError as error:
                assert error.message.startswith("p:")  # noqa: PT017  (raising is allowed, this is its form)
            else:
                assert found.records == len(messages) + len(prompts)


# --- local files

LOCAL = {
    "image": [{"type": "image_url", "image_url": {"url": "/etc/hostname"}}],
    "image, relative": [{"type": "image_url", "image_url": {"url": "secret.png"}}],
    "file": [{"type": "file", "file": {"file_data": "/etc/hostname"}}],
}


@pytest.mark.parametrize("kind", LOCAL)
def test_a_path_on_this_machine_is_a_bad_line_and_nothing_is_read(kind: str) -> None:
    rows = [{"prompt": "Hi"}, {"messages": [{"role": "user", "content": LOCAL[kind]}]}]
    found, messages, prompts = survey("\n".join(map(json.dumps, rows)).encode(), "jsonl")
    assert (found.good, len(prompts)) == (1, 1)
    [message] = messages
    assert message.startswith("p:2: 'messages': message 0: ")
    assert message.endswith("a local file is read only with --allow-local-files")


def test_a_path_is_read_later_where_local_files_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("here")
    content = [{"type": "file", "file": {"file_data": str(tmp_path / "a.txt")}}]
    row = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
    prompts = PromptFile(io.BytesIO(row), "p", "jsonl", allow_local_files=True)
    [prompt] = prompts.read(prompts.survey(pytest.fail))
    [file] = prompt.conversation("Be brief.")[1].files
    assert (file.path, file.data) == (str(tmp_path / "a.txt"), b"here")


def test_another_column_may_hold_the_prompt() -> None:
    files = {"jsonl": b'{"body": "a", "id": 7}\n{"prompt": "b"}\n', "csv": b"id,body\n7,a\n", "text": b"a\n"}
    for name, content in files.items():
        chosen = PromptFile(io.BytesIO(content), "p", column="body")
        complaints: list[str] = []
        first, *_ = chosen.read(chosen.survey(complaints.append))
        assert (chosen.format, first.text, first.id) == (
            name,
            "a",
            0 if name == "text" else 7 if name == "jsonl" else "7",
        )
        assert complaints == (["p:2: no 'body'"] if name == "jsonl" else [])


def test_images_are_counted_and_bad_ones_are_bad_lines() -> None:
    content = b"prompt,pic\na,https://example.com/a.png\nb,\nc,c.png\n"
    prompts = PromptFile(io.BytesIO(content), "p", images="pic")
    complaints: list[str] = []
    survey = prompts.survey(complaints.append)
    assert (survey.good, survey.pictured) == (2, 1)
    assert complaints == [
        "p:4: 'pic': 'c.png' is no http(s) or data URL; a local image is sent only with --allow-local-files"
    ]
    assert [len(prompt.conversation()[-1].images) for prompt in prompts.read(survey)] == [1, 0]


def test_a_reader_sees_the_texts_of_messages_with_their_roles() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    assert Prompt(0, 1, 0, messages).text == "system: Be brief.\n\nuser: Hi"
    assert Prompt(0, 1, 0, "Hi").text == "Hi"

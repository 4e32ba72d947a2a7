"""Validated values out of texts and media; what does not fit is asked for once more, and what failed is told."""

from __future__ import annotations

import _thread
import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field

from deluge_sync import Conversation, File, Image, Interrupted, LLMClient, Message
from deluge_sync.cache import SqliteCache
from deluge_sync.errors import ConfigError
from deluge_sync.models import register_model
from deluge_sync.pipelines import Extracted, extract, extract_async
from deluge_sync.response import Usage
from deluge_sync.testing import Answer, FakeProvider, Reply, RequestRecord

ClientOf = Callable[..., LLMClient]


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


SCHEMA = {
    "title": "person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
QUIET: dict[str, Any] = {"show_progress": False}
# A pixel, and the least that counts as a PDF.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def say(**persons: str) -> Callable[[RequestRecord], Reply | None]:
    """A model that answers each name with a text of its own, whatever else is said."""

    def script(record: RequestRecord) -> Reply | None:
        said = json.dumps(record.json["messages"])
        return next((Reply.text(answer) for name, answer in persons.items() if name in said), None)

    return script


def in_turn(*answers: str) -> list[Reply]:
    return [Reply.text(answer) for answer in answers]


ADA, BOB = '{"name": "Ada", "age": 36}', '{"name": "Bob", "age": 3}'


def test_values_come_in_the_inputs_order_as_instances_of_the_class(
    fake_provider: FakeProvider, client_of: ClientOf
) -> None:
    fake_provider.use_script(say(Ada=ADA, Bob=BOB))

    people = extract(["This is Ada, 36.", "Bob, 3"], Person, client_of(fake_provider), **QUIET)

    assert isinstance(people, Extracted)
    assert list(people) == [Person(name="Ada", age=36), Person(name="Bob", age=3)]
    assert people[1:] == [Person(name="Bob", age=3)]
    assert people.errors == {}
    assert [response.text for response in people.responses] == [ADA, BOB]
    assert repr(people) == "<Extracted from 2 inputs: 2 values, 0 failed>"


def test_the_model_is_held_to_the_schema_and_told_what_to_do(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    extract("Ada, 36", Person, client_of(fake_provider), instructions="Ages in years.", **QUIET)

    [record] = fake_provider.ledger
    system, user = record.json["messages"]
    assert record.json["response_format"]["json_schema"]["schema"]["properties"].keys() == {"name", "age"}
    assert system["role"] == "system"
    assert "Ages in years." in system["content"]
    assert "json" not in system["content"].lower()  # the schema is not told twice
    assert (user["role"], user["content"]) == ("user", "Ada, 36")


def test_a_json_schema_gives_json_values_that_fit_it(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(in_turn(ADA))
    client = client_of(fake_provider)

    assert list(extract("Ada", SCHEMA, client, **QUIET)) == [{"name": "Ada", "age": 36}]

    fake_provider.use_script(in_turn('{"name": "Ada", "age": -1}', '{"name": "Ada"}'))
    failed = extract("Ada", SCHEMA, client, **QUIET)
    assert list(failed) == [None]
    assert "age" in failed.errors[0]


def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong(
    fake_provider: FakeProvider, client_of: ClientOf
) -> None:
    fake_provider.use_script(in_turn('{"name": "Ada", "age": "old"}', ADA))

    people = extract("Ada, 36", Person, client_of(fake_provider), **QUIET)

    assert list(people) == [Person(name="Ada", age=36)]
    assert people.errors == {}
    _, second = fake_provider.ledger
    _, _, answer, correction = second.json["messages"]
    assert (answer["role"], answer["content"]) == ("assistant", '{"name": "Ada", "age": "old"}')
    assert correction["role"] == "user"
    assert "age: Input should be a valid integer" in correction["content"]
    assert people.usage == Usage(
        sum(record.prompt_tokens for record in fake_provider.ledger),
        sum(record.completion_tokens for record in fake_provider.ledger),
    )  # both requests were paid
    assert people.cost == pytest.approx((people.usage.input_tokens * 0.4 + people.usage.output_tokens * 1.6) / 1e6)


def test_it_is_asked_again_only_so_often(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(lambda _: Reply.text("I would rather not."))
    client = client_of(fake_provider)

    failed = extract("Ada", Person, client, **QUIET)
    assert (list(failed), len(fake_provider.ledger)) == ([None], 2)
    assert "Invalid JSON" in failed.errors[0]
    assert failed.responses[0].text == "I would rather not."

    extract("Ada", Person, client, corrections=0, **QUIET)
    assert len(fake_provider.ledger) == 3
    extract("Ada", Person, client, corrections=3, **QUIET)
    assert len(fake_provider.ledger) == 7


def test_only_those_that_do_not_fit_are_asked_again(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(say(Ada=ADA, Bob="{}"))

    people = extract(["Ada", "Bob", "Ada again"], Person, client_of(fake_provider), **QUIET)

    assert [person and person.name for person in people] == ["Ada", None, "Ada"]
    assert people.errors.keys() == {1}
    assert "name: Field required; age: Field required" in people.errors[1]
    assert sum("Bob" in json.dumps(record.json) for record in fake_provider.ledger) == 2
    assert len(fake_provider.ledger) == 4


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply.error(400, message="no such thing"), "bad_request: no such thing"),
        (Reply.text('{"name": "Ad', finish_reason="length"), "cut off at max_new_tokens"),
        (Reply.answer(Answer(refusal="I cannot.")), "content_filter: "),
    ],
    ids=["error", "cut-off", "refusal"],
)
def test_what_asking_again_would_not_mend_is_not_asked_again(
    reply: Reply, told: str, fake_provider: FakeProvider, client_of: ClientOf
) -> None:
    fake_provider.use_script(lambda _: reply)

    failed = extract("Ada", Person, client_of(fake_provider), **QUIET)

    assert list(failed) == [None]
    assert told in failed.errors[0]
    assert len(fake_provider.ledger) == 1


def test_a_document_in_a_markdown_block_is_read(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(in_turn(f"```json\n{ADA}\n```"))

    assert list(extract("Ada", Person, client_of(fake_provider), **QUIET)) == [Person(name="Ada", age=36)]


def test_images_files_and_conversations_are_inputs_too(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    own = Conversation.system("Mine.").user("Ada")
    inputs: list[Any] = [
        Image(f"data:image/png;base64,{PIXEL}"),
        File(b"%PDF-1.4\n%%EOF", media_type="application/pdf", filename="a.pdf"),
        own,
        Message.user("Bob"),
        [{"role": "user", "content": "Cid"}],
    ]

    people = extract(inputs, Person, client_of(fake_provider, max_concurrent_requests=1), **QUIET)

    assert people.errors == {}
    image, file, conversation, message, listed = (record.json["messages"] for record in fake_provider.ledger)
    assert [part["type"] for part in image[1]["content"]] == ["text", "image_url"]
    assert [part["type"] for part in file[1]["content"]] == ["text", "file"]
    assert [said["content"] for said in conversation] == ["Mine.", "Ada"]  # as it was given
    assert [said["content"] for said in message] == ["Bob"]
    assert [said["content"] for said in listed] == ["Cid"]
    assert len(own) == 2  # and not changed


def test_one_input_is_as_good_as_a_list_of_one_and_none_is_none(
    fake_provider: FakeProvider, client_of: ClientOf
) -> None:
    client = client_of(fake_provider)

    for one in (
        "Ada",
        Conversation.user("Ada"),
        Image(f"data:image/png;base64,{PIXEL}"),
        [{"role": "user", "content": "x"}],
    ):
        assert len(extract(one, Person, client, **QUIET)) == 1
    nothing = extract([], Person, client, **QUIET)
    assert (len(nothing), nothing.usage, nothing.cost) == (0, Usage(0, 0), 0.0)


def test_a_model_that_cannot_be_held_to_a_schema_is_told_it(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    register_model("no-schema-test", "m", fake_provider.openai_url, None, input_cost=1.0, output_cost=1.0)
    fake_provider.use_script(in_turn("```\n{}\n```", ADA, BOB))
    client = client_of(fake_provider, "no-schema-test", max_concurrent_requests=1)

    inputs: list[Any] = ["Ada", Conversation.user("Bob")]
    people = extract(inputs, Person, client, **QUIET)

    assert [person and person.name for person in people] == ["Bob", "Ada"]
    assert all("response_format" not in record.json for record in fake_provider.ledger)
    assert all('"minimum": 0' in record.json["messages"][0]["content"] for record in fake_provider.ledger)


def test_answers_from_the_cache_cost_nothing(fake_provider: FakeProvider, client_of: ClientOf, tmp_path: Any) -> None:
    cache = SqliteCache(tmp_path / "answers.sqlite")
    fake_provider.use_script(in_turn(ADA))
    client = client_of(fake_provider, cache=cache)

    first, again = (extract("Ada", Person, client, **QUIET) for _ in range(2))

    assert list(first) == list(again)
    assert (again.cost, again.usage, len(fake_provider.ledger)) == (0.0, Usage(0, 0), 1)
    assert (first.cost or 0) > 0
    cache.close()


def test_max_cost_is_one_for_all_rounds(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(lambda _: Reply.text("no JSON at all " * 20))
    client = client_of(fake_provider, max_new_tokens=100)
    alone = extract("Ada", Person, client, corrections=0, **QUIET).cost or 0
    before = len(fake_provider.ledger)

    failed = extract("Ada", Person, client, corrections=50, max_cost=alone * 5, **QUIET)

    assert failed.cost is not None
    assert failed.cost <= alone * 5
    assert 1 <= len(fake_provider.ledger) - before <= 5


def test_it_can_be_awaited(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    fake_provider.use_script(in_turn("{}", ADA))

    people = asyncio.run(extract_async("Ada", Person, client_of(fake_provider), **QUIET))

    assert list(people) == [Person(name="Ada", age=36)]


def test_ctrl_c_leaves_the_latest_answers(fake_provider: FakeProvider, client_of: ClientOf) -> None:
    def script(record: RequestRecord) -> Reply:
        if len(record.json["messages"]) > 2:
            _thread.interrupt_main()
            return Reply.hang(10)
        return Reply.text(ADA if "Ada" in record.json["messages"][1]["content"] else "{}")

    fake_provider.use_script(script)

    with pytest.raises(Interrupted) as caught:
        extract(["Ada", "Bob"], Person, client_of(fake_provider), **QUIET)

    assert [response and response.text for response in caught.value.responses] == [ADA, "{}"]


@pytest.mark.parametrize(
    ("inputs", "schema", "how", "told"),
    [
        (7, Person, {}, "inputs must be an iterable of texts, images, files or conversations"),
        ({"a": 1}, Person, {}, "inputs must be an iterable"),
        (["a", 7], Person, {}, "inputs: at position 1: "),
        ("a", int, {}, "output_schema is a pydantic model class or a JSON Schema"),
        ("a", Person, {"corrections": -1}, "corrections must be a whole number of 0 or more"),
        ("a", Person, {"corrections": True}, "corrections must be a whole number of 0 or more"),
        ("a", Person, {"instructions": 7}, "instructions must be a str or None"),
        ("a", Person, {"max_cost": -1}, "max_cost must be"),
        ("a", Person, {"cache": "all"}, "cache must be one of"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(
    inputs: Any, schema: Any, how: Any, told: str, fake_provider: FakeProvider, client_of: ClientOf
) -> None:
    with pytest.raises(ConfigError, match=told):
        extract(inputs, schema, client_of(fake_provider), **how)
    assert fake_provider.ledger == []


def test_a_client_is_needed() -> None:
    with pytest.raises(ConfigError, match="client must be an LLMClient; got a str"):
        extract("a", Person, "gpt-4.1-mini")  # type: ignore[call-overload]  # the mistake

"""The key of a question: whatever shapes the answer changes it, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image as Pillow
from pydantic import BaseModel

from deluge_sync import Conversation, File, Image, SamplingParams, Tool
from deluge_sync._adapters.call import Extras
from deluge_sync._engine.cache_key import CacheKeys
from deluge_sync._engine.pool import Route
from deluge_sync.errors import ConfigError
from deluge_sync.models import Model

MINI = Model.for_base_url("mini", "https://one.example/v1")
NANO = Model.for_base_url("nano", "https://one.example/v1")
PLAIN = Extras()


def route(model: Model = MINI, url: str = "https://one.example/v1", **params: Any) -> Route:
    nothing = cast("Any", None)
    return Route(model, SamplingParams(**params), nothing, url, nothing, nothing)


def key(prompt: Any = "x", *routes: Route, **extras: Any) -> str:
    conversation = prompt if isinstance(prompt, Conversation) else Conversation().user(prompt)
    return CacheKeys(routes or [route()]).key(conversation, Extras(**extras))


class Place(BaseModel):
    name: str
    size: int


class Turned(BaseModel):
    size: int
    name: str


def look(place: str) -> str:
    """Look there."""
    return place


LOOK = Tool.from_function(look)

QUESTIONS = {
    "plain": key(),
    "another text": key("y"),
    "as system": key(Conversation().system("x")),
    "as assistant": key(Conversation().ai("x")),
    "in two messages": key(Conversation().user("x").user("")),
    "temperature": key("x", route(temperature=0.1)),
    "top_p": key("x", route(top_p=0.5)),
    "json_mode": key("x", route(json_mode=True)),
    "max_new_tokens": key("x", route(max_new_tokens=9)),
    "reasoning_effort": key("x", route(reasoning_effort="low")),
    "thinking_budget": key("x", route(thinking_budget=0)),
    "seed": key("x", route(seed=0)),
    "another seed": key("x", route(seed=1)),
    "stop": key("x", route(stop="x")),
    "logprobs": key("x", route(logprobs=True)),
    "strict_tools": key("x", route(strict_tools=False)),
    "another model": key("x", route(NANO)),
    "two models": key("x", route(), route(NANO)),
    "two models, one warm": key("x", route(temperature=0.1), route(NANO)),
    "two models, the other warm": key("x", route(), route(NANO, temperature=0.1)),
    "one of them first": key("x", route(), route(NANO), prefer_model="nano"),
    "the other first": key("x", route(), route(NANO), prefer_model="mini"),
    "through responses": key("x", route(replace(MINI, api_spec="openai-responses"))),
    "elsewhere": key("x", route(url="https://two.example/v1")),
    "a tool": key(tools=(LOOK,)),
    "the tool, described otherwise": key(tools=(replace(LOOK, description="Look."),)),
    "two tools": key(tools=(LOOK, replace(LOOK, name="see"))),
    "two tools, turned round": key(tools=(replace(LOOK, name="see"), LOOK)),
    "a provider's tool": key(tools=({"type": "web_search"},)),
    "a schema": key(output_schema=Place),
    "a schema, turned round": key(output_schema=Turned),
    "a schema of its own": key(output_schema={"type": "object"}),
    "the properties in an order": key(output_schema={"properties": {"a": {}, "b": {}}}),
    "the properties turned round": key(output_schema={"properties": {"b": {}, "a": {}}}),
    "a field of the body": key(body={"top_k": 5}),
    "another value of it": key(body={"top_k": 6}),
    "a beta of the API": key(headers={"anthropic-beta": "context-1m"}),
}


def test_whatever_shapes_the_answer_changes_the_key() -> None:
    names: dict[str, str] = {}
    twins = [(names[each], name) for name, each in QUESTIONS.items() if names.setdefault(each, name) != name]
    assert twins == []


@pytest.mark.parametrize(
    "extras",
    [
        {"service_tier": "flex"},
        {"cache_pattern": "system_and_tools"},
        {"headers": {"Authorization": "Bearer other", "x-trace": "7"}},
        {"background": True},
        {"prefer_model": "last"},
    ],
    ids=lambda extras: next(iter(extras)),
)
def test_who_asks_and_how_fast_does_not(extras: dict[str, Any]) -> None:
    assert key(**extras) == key()


def test_the_order_of_the_models_does_not() -> None:
    assert key("x", route(), route(NANO)) == key("x", route(NANO), route())


def test_the_model_that_answered_last_counts_where_it_is_preferred() -> None:
    pool = (route(), route(NANO))
    asked = Conversation().user("x")
    answered = asked.copy()
    answered.model_used = "nano"
    assert key(asked, *pool) == key(answered, *pool)
    assert key(asked, *pool, prefer_model="last") != key(answered, *pool, prefer_model="last")
    assert key(answered, *pool, prefer_model="last") == key(asked, *pool, prefer_model="nano")


def scan(path: Path, dot: tuple[int, int]) -> Image:
    """A page as a scanner gives it: all white but for one pixel."""
    page = Pillow.new("L", (1_000, 1_400), 255)
    page.putpixel(dot, 0)
    page.save(path)
    return Image(path)


def test_thirty_scanned_pages_that_look_alike_have_thirty_keys(tmp_path: Path) -> None:
    pages = [scan(tmp_path / f"{number}.png", (number * 30, 700)) for number in range(30)]
    keys = {key(Conversation().user("Read this.", image=page)) for page in pages}
    assert len(keys) == 30


def test_the_content_of_an_image_counts_and_not_its_path(tmp_path: Path) -> None:
    one, other = scan(tmp_path / "one.png", (1, 1)), scan(tmp_path / "other.png", (1, 1))
    assert key(Conversation().user("x", image=one)) == key(Conversation().user("x", image=other))
    before = key(Conversation().user("x", image=one))
    scan(tmp_path / "one.png", (2, 2))
    assert key(Conversation().user("x", image=one)) != before
    small, detailed = other.resize(500), other.with_detail("high")
    assert len({key(Conversation().user("x", image=each)) for each in (other, small, detailed)}) == 3


def test_the_last_byte_of_a_file_counts() -> None:
    files = [File(b"%PDF-1.4 " + b"x" * 100_000 + end, filename="a.pdf") for end in (b"1", b"2")]
    assert len({key(Conversation().user("x", file=file)) for file in files}) == 2


def test_a_prompt_that_cannot_be_read_has_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.png"):
        key(Conversation().user("x", image=Image(tmp_path / "missing.png")))


def test_one_call_after_another_is_not_mistaken_for_it() -> None:
    keys, prompt = CacheKeys([route()]), Conversation().user("x")
    with_tool = Extras(tools=(LOOK,))
    assert keys.key(prompt, PLAIN) != keys.key(prompt, with_tool)
    assert keys.key(prompt, PLAIN) == keys.key(prompt, Extras())


def test_a_key_stays_the_same_from_version_to_version() -> None:
    """What is stored must be found again. If this changes on purpose, raise the version in `cache_key`."""
    assert QUESTIONS["plain"] == "96d3fd56151b5db7cee7b523df2fa5706c92ea1817f45610222ecc866ebb9353"


def test_the_keyed_prompt_leaves_the_prompt_alone() -> None:
    prompt = Conversation().user("x")
    before = prompt.fingerprint
    keyed = prompt.keyed("a key")
    assert (keyed.fingerprint, prompt.fingerprint) == ("a key", before)
    assert keyed == prompt
    keyed.user("more")
    assert len(prompt) == 1
    assert keyed.copy().fingerprint == keyed.copy().fingerprint != "a key"
    assert keyed.to_log() == keyed.copy().to_log()

"""What holds for every wire format: each prompt gets its answer, or is told why not, and nothing is bought twice."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deluge_sync import Conversation, Image, LLMClient, Tool
from deluge_sync.models import get_model
from deluge_sync.models.pricing import cost_usd
from deluge_sync.testing import BatchPace, FakeProvider, Reply, RequestRecord

Providers = Callable[..., FakeProvider]
QUICK: dict[str, Any] = {"poll_interval": 0.02, "show_progress": False}
PROMPTS = [f"prompt number {number}" for number in range(7)]
# A white pixel.
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU"
    b"\x00\x00\x00\nIDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)


def kinds(responses: list[Any]) -> list[str | None]:
    return [response.error_kind for response in responses]


def test_every_prompt_gets_its_own_answer_in_the_prompts_order(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(case, fake_provider)

    ids = client.submit_batch_job_sync(PROMPTS, batch_size=3)
    responses = client.wait_for_batch_job_sync(ids, case.name, **QUICK)

    assert len(ids) == case.bought(fake_provider) == 3
    assert [response.id for response in responses] == list(range(7))
    assert kinds(responses) == [None] * 7
    for prompt, response in zip(PROMPTS, responses, strict=True):
        assert response.prompt == Conversation.user(prompt)
        assert prompt in (response.completion or "")


def test_an_answer_has_its_usage_and_costs_what_the_batch_tier_costs(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(case, fake_provider)

    [response] = client.wait_for_batch_job_sync(client.submit_batch_job_sync("hello"), **QUICK)

    model = get_model(case.model)
    input_usd, output_usd = model.tier_costs["batch"]
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0
    assert response.cost == pytest.approx(
        (response.usage.input_tokens * input_usd + response.usage.output_tokens * output_usd) / 1e6
    )
    assert response.cost < cost_usd(model, response.usage)
    assert client.tracker.snapshot().cost_usd == pytest.approx(response.cost)


def test_a_request_that_fails_is_an_error_and_shifts_no_other(
    case: Any, connect: Any, fake_provider_factory: Providers
) -> None:
    provider = fake_provider_factory(batches=BatchPace(failing={1: 400, 4: 500}))
    client = connect(case, provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    assert kinds(responses) == [None, "bad_request", None, None, "server", None, None]
    assert all(PROMPTS[n] in (responses[n].completion or "") for n in (0, 2, 3, 5, 6))
    assert responses[1].prompt == Conversation.user(PROMPTS[1])


def test_what_was_answered_before_a_batch_expired_is_delivered(
    case: Any, connect: Any, fake_provider_factory: Providers
) -> None:
    provider = fake_provider_factory(batches=BatchPace(expires_after=2))
    client = connect(case, provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    # Gemini keeps nothing of a batch that has expired; ai.google.dev/gemini-api/docs/batch-api says so.
    answered = 0 if case.name == "gemini" else 2
    assert kinds(responses) == [None] * answered + ["expired"] * (7 - answered)
    assert all(response.cost is None for response in responses[answered:])


def test_a_cancelled_batch_gives_errors_for_what_was_not_answered(
    case: Any, connect: Any, fake_provider_factory: Providers
) -> None:
    provider = fake_provider_factory(batches=BatchPace(polls=1_000))
    client = connect(case, provider)
    ids = client.submit_batch_job_sync(PROMPTS)

    client.cancel_batch_job_sync(ids)
    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert kinds(responses) == ["cancelled"] * 7


def test_looks_that_fail_are_made_again_and_buy_nothing(case: Any, connect: Any, fake_provider: FakeProvider) -> None:
    client = connect(case, fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS)
    troubles: Iterator[Reply | None] = itertools.chain(
        [Reply.error(502), Reply.error(429), Reply.error(503), Reply.reset(), Reply.html(502), Reply.half_json()],
        [Reply.truncated(), Reply.error(500)],
        itertools.repeat(None),
    )
    fake_provider.use_script(lambda record: next(troubles) if case.is_look(record) else None)

    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert next(troubles) is None
    assert kinds(responses) == [None] * 7
    assert case.bought(fake_provider) == 1


def test_a_download_that_breaks_off_is_made_again(case: Any, connect: Any, fake_provider: FakeProvider) -> None:
    client = connect(case, fake_provider)
    ids = client.submit_batch_job_sync(PROMPTS)
    cuts = [Reply.truncated(), Reply.reset(), Reply.half_json()]
    troubles: Iterator[Reply | None] = itertools.chain(cuts, itertools.repeat(None))
    fake_provider.use_script(lambda record: next(troubles) if case.is_download(record) else None)

    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert next(troubles) is None
    assert kinds(responses) == [None] * 7


@pytest.mark.parametrize("loss", [Reply.close(), Reply.half_json(), Reply.truncated()], ids=["close", "half", "cut"])
def test_an_order_whose_reply_is_lost_is_looked_for_and_not_made_again(
    case: Any, connect: Any, fake_provider: FakeProvider, loss: Reply
) -> None:
    losses: Iterator[Reply | None] = itertools.chain([loss], itertools.repeat(None))
    fake_provider.use_script(lambda record: next(losses) if case.is_creation(record) else None)
    client = connect(case, fake_provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    assert kinds(responses) == [None] * 7
    assert case.bought(fake_provider) == 1


def test_an_order_that_certainly_failed_is_made_again(case: Any, connect: Any, fake_provider: FakeProvider) -> None:
    failures: Iterator[Reply | None] = itertools.chain([Reply.error(500), Reply.error(503)], itertools.repeat(None))
    fake_provider.use_script(lambda record: next(failures) if case.is_creation(record) else None)
    client = connect(case, fake_provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    assert kinds(responses) == [None] * 7
    assert case.bought(fake_provider) == 1


def test_a_batch_that_is_refused_gives_an_error_for_each_of_its_prompts(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    refusals: Iterator[Reply | None] = itertools.chain([None, Reply.error(400)], itertools.repeat(None))
    fake_provider.use_script(lambda record: next(refusals) if case.is_creation(record) else None)
    client = connect(case, fake_provider)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS, batch_size=3), **QUICK)

    assert kinds(responses) == [None] * 3 + ["bad_request"] * 3 + [None]


def test_prompts_that_cannot_be_read_or_built_are_errors_and_not_sent(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(case, fake_provider)
    missing = Conversation.user("what is this?", image=Image("/nowhere/at/all.png"))

    ids = client.submit_batch_job_sync(["first", {"no": "prompt"}, missing, "last"])
    responses = client.wait_for_batch_job_sync(ids, **QUICK)

    assert kinds(responses) == [None, "bad_request", "bad_request", None]
    assert "last" in responses[3].completion
    sent = b"".join(record.body for record in fake_provider.ledger)
    assert b"first" in sent
    assert b"what is this?" not in sent


def test_a_job_without_anything_to_send_buys_nothing(case: Any, connect: Any, fake_provider: FakeProvider) -> None:
    client = connect(case, fake_provider)

    ids = client.submit_batch_job_sync([{"no": "prompt"}])

    assert ids == []
    assert kinds(client.wait_for_batch_job_sync(ids, **QUICK)) == ["bad_request"]
    assert client.wait_for_batch_job_sync(client.submit_batch_job_sync([]), **QUICK) == []
    assert fake_provider.ledger == []


def test_the_providers_own_objects_come_in_the_prompts_order(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    client = connect(case, fake_provider)
    ids = client.submit_batch_job_sync([*PROMPTS, {"no": "prompt"}], batch_size=4)

    raw = client.wait_for_batch_job_sync(ids, as_raw=True, **QUICK)

    assert raw[7] is None
    for prompt, line in zip(PROMPTS, raw, strict=False):
        assert isinstance(line, dict)
        assert prompt in json.dumps(line)


# --- what goes in


def weather(city: str) -> str:
    """How the weather is."""
    return city


SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is seen here?"}]


def wanted(case: Any) -> Any:
    conversation = Conversation.system("Be short.")
    image = Image(PNG) if get_model(case.model).supports_images else None
    return conversation.user("What is seen here?", image=image)


@pytest.mark.parametrize(
    "said", [{"tools": [Tool.from_function(weather)]}, {"output_schema": SCHEMA}, {}], ids=["tools", "schema", "plain"]
)
def test_a_batch_says_for_each_prompt_what_the_same_request_says_by_itself(
    case: Any, connect: Any, fake_provider: FakeProvider, said: dict[str, Any]
) -> None:
    client: LLMClient = connect(case, fake_provider, temperature=0.3, max_new_tokens=77, seed=5, stop=["END"])
    prompt = wanted(case)

    client.process_prompts_sync([prompt], show_progress=False, **said)
    ids = client.submit_batch_job_sync([prompt], **said)

    [alone] = [record.json for record in fake_provider.ledger if record.path.endswith(case.answer)]
    raw = client.wait_for_batch_job_sync(ids, as_raw=True, **QUICK)
    assert raw[0] is not None
    request = sent_requests(fake_provider)[0]
    assert {**alone, "model": None} == {**request, "model": None}


def sent_requests(provider: FakeProvider) -> list[dict[str, Any]]:
    """The bodies of the requests in all batches that were sent, out of whatever they were wrapped in."""
    uploads = b"\n".join(record.body for record in provider.ledger if record.method == "POST")
    found = []
    for line in uploads.replace(b'{"requests":[', b"\n").split(b"\n"):
        for text in (line, line.removesuffix(b"\r"), line.removesuffix(b"]}")):
            try:
                document = json.loads(text)
            except ValueError:
                continue
            if isinstance(document, dict) and document.keys() & {"custom_id", "key"}:
                found.append(next(document[name] for name in ("body", "params", "request") if name in document))
                break
    return found


def test_the_local_cache_answers_first_and_keeps_what_comes(
    case: Any, connect: Any, fake_provider: FakeProvider
) -> None:
    kept: dict[str, Any] = {}

    class Shelf:
        def get(self, prompt: Conversation) -> Any:
            return kept.get(prompt.fingerprint)

        def put(self, prompt: Conversation, response: Any) -> None:
            kept[prompt.fingerprint] = response

    client = connect(case, fake_provider, cache=Shelf())
    client.process_prompts_sync([PROMPTS[1]], show_progress=False)

    responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS[:3]), **QUICK)
    sent = len(fake_provider.ledger)
    again = client.process_prompts_sync(PROMPTS[:3], show_progress=False)

    assert [response.local_cache_hit for response in responses] == [False, True, False]
    assert responses[1].cost == 0
    assert PROMPTS[1] in responses[1].completion
    assert [response.completion for response in again] == [response.completion for response in responses]
    assert len(fake_provider.ledger) == sent


def test_a_second_result_for_a_prompt_is_passed_over_with_a_warning(
    case: Any, connect: Any, fake_provider_factory: Providers, caplog: pytest.LogCaptureFixture
) -> None:
    provider = fake_provider_factory(batches=BatchPace(repeats=3))
    client = connect(case, provider)

    with caplog.at_level(logging.WARNING):
        responses = client.wait_for_batch_job_sync(client.submit_batch_job_sync(PROMPTS), **QUICK)

    assert [response.completion for response in responses] == [f"You said: {prompt}" for prompt in PROMPTS]
    assert "passed over 3 result lines" in caplog.text


def test_a_record_is_told_apart_from_a_look(case: Any, connect: Any, fake_provider: FakeProvider) -> None:
    """The tests above would prove nothing if their scripts struck nothing."""
    seen: list[RequestRecord] = []
    fake_provider.use_script(lambda record: seen.append(record))
    client = connect(case, fake_provider)

    client.wait_for_batch_job_sync(client.submit_batch_job_sync("hello"), **QUICK)

    assert sum(case.is_creation(record) for record in seen) == 1
    assert sum(case.is_look(record) for record in seen) >= 2
    assert sum(case.is_download(record) for record in seen) == 1

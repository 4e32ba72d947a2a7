from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from deluge_sync._adapters.failure import TRAITS, Failure, FailureKind, Traits

K = FailureKind

SAME_MODEL_MAY_HELP = {K.RATE_LIMIT, K.OVERLOADED, K.SERVER, K.TRUNCATED, K.CONNECT, K.TIMEOUT, K.EXPIRED}
NOTHING_HELPS = {K.BAD_REQUEST, K.CANCELLED, K.BUDGET, K.OVER_LIMIT, K.INTERNAL}


def test_every_kind_has_traits() -> None:
    assert set(TRAITS) == set(FailureKind)


@pytest.mark.parametrize(
    ("trait", "kinds"),
    [
        ("same_model_may_help", SAME_MODEL_MAY_HELP),
        ("other_model_may_help", set(FailureKind) - NOTHING_HELPS),
        ("other_provider_only", {K.QUOTA, K.AUTH, K.TLS}),
        ("stops_key", {K.QUOTA, K.AUTH}),
        ("stops_model", {K.MODEL_NOT_FOUND, K.PERMISSION, K.QUOTA_DAILY}),
        ("pauses_key", {K.RATE_LIMIT, K.RATE_LIMIT_LONG}),
        ("slows_down", {K.OVERLOADED}),
        ("hints_at_outage", {K.OVERLOADED, K.SERVER, K.TRUNCATED, K.CONNECT, K.TIMEOUT}),
    ],
)
def test_trait_holds_for_exactly_these_kinds(trait: str, kinds: set[FailureKind]) -> None:
    assert {kind for kind, traits in TRAITS.items() if getattr(traits, trait)} == kinds


@pytest.mark.parametrize("kind", FailureKind)
def test_without_a_word_of_the_server_the_table_counts(kind: FailureKind) -> None:
    assert Failure(kind, "x").traits is TRAITS[kind]


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("should_retry", [True, False])
def test_the_servers_word_decides_whether_to_ask_again(kind: FailureKind, should_retry: bool) -> None:
    assert Failure(kind, "x", should_retry=should_retry).traits.same_model_may_help is should_retry


def test_a_server_that_asks_for_a_retry_stops_neither_key_nor_model() -> None:
    assert Failure(K.QUOTA, "x", should_retry=True).traits == Traits(
        same_model_may_help=True, other_model_may_help=True, other_provider_only=True
    )
    assert not Failure(K.PERMISSION, "x", should_retry=True).traits.stops_model


def test_a_rate_limit_that_must_not_be_retried_still_pauses_the_key() -> None:
    traits = Failure(K.RATE_LIMIT, "x", should_retry=False).traits
    assert traits.pauses_key
    assert not traits.same_model_may_help


def test_kind_reads_as_its_plain_name() -> None:
    assert f"{K.RATE_LIMIT_LONG}" == "rate_limit_long"
    assert all(kind.value == kind.name.lower() for kind in FailureKind)


def test_failure_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Failure(K.AUTH, "x").kind = K.QUOTA  # type: ignore[misc]  # that is what is tested

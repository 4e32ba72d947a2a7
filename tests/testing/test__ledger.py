from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deluge_sync.testing import RequestRecord
from deluge_sync.testing._ledger import Ledger, busiest


def record_at(arrived: float, sequence: int = 0, tokens: int = 0) -> RequestRecord:
    return RequestRecord(
        sequence, arrived, "POST", "/x", {}, key=None, body=b'{"a": 1}', client_port=1, prompt_tokens=tokens
    )


def test_a_window_is_half_open() -> None:
    records = [record_at(at) for at in (0.0, 1.0, 2.0, 60.0)]
    assert busiest(records, window_s=60.0) == 3
    assert busiest(records, window_s=60.5) == 4
    assert busiest([], window_s=60.0) == 0


def test_a_window_can_weigh_tokens() -> None:
    records = [record_at(0.0, tokens=10), record_at(0.5, tokens=5), record_at(3.0, tokens=12)]
    assert busiest(records, window_s=1.0, weight=lambda record: record.prompt_tokens) == 15


@given(
    arrivals=st.lists(st.integers(0, 200).map(lambda tick: tick / 8), max_size=60),
    window=st.integers(1, 80).map(lambda tick: tick / 8),
)
def test_the_busiest_window_is_that_of_brute_force(arrivals: list[float], window: float) -> None:
    expected = max((sum(start <= at < start + window for at in arrivals) for start in arrivals), default=0)
    assert busiest([record_at(at) for at in arrivals], window_s=window) == expected


def test_a_second_close_corrects_the_first() -> None:
    ledger = Ledger(keep_bodies=True)
    record, in_flight = ledger.open(lambda sequence: record_at(0.0, sequence))
    assert (in_flight, ledger.snapshot()[0].finished) == (1, None)
    ledger.close(record, status=200, complete=True)
    assert ledger.snapshot()[0].answered
    ledger.close(record, status=200, complete=False)
    assert not ledger.snapshot()[0].answered
    _, in_flight = ledger.open(lambda sequence: record_at(1.0, sequence))
    assert (in_flight, ledger.peak_in_flight) == (1, 1)


def test_without_bodies_the_records_stay_small() -> None:
    ledger = Ledger(keep_bodies=False)
    record, _ = ledger.open(lambda sequence: record_at(0.0, sequence))
    assert record.json == {"a": 1}
    assert ledger.snapshot()[0].body == b""
    ledger.close(record, status=200, complete=True)
    assert ledger.snapshot()[0].body == b""

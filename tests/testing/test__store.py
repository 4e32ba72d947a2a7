from __future__ import annotations

import threading

import pytest

from deluge_sync.testing import BatchPace
from deluge_sync.testing._store import Shelf, Store, StoredFile


def stored(number: int) -> StoredFile:
    return StoredFile(id=f"f{number}", filename="a", media_type="text/plain", content=b"")


def test_things_are_numbered_from_1_and_kept_in_order() -> None:
    shelf = Shelf()
    assert [shelf.add(stored).id for _ in range(3)] == ["f1", "f2", "f3"]
    assert shelf.remove("f2")
    assert not shelf.remove("f2")
    assert shelf.get("f2") is None
    assert [item.id for item in shelf.all()] == ["f1", "f3"]
    assert shelf.add(stored).id == "f4"


def test_a_thing_can_be_replaced_where_it_stands() -> None:
    shelf = Shelf()
    for _ in range(2):
        shelf.add(stored)
    shelf.replace("f1", StoredFile(id="f1", filename="b", media_type="text/plain", content=b""))
    assert [item.filename for item in shelf.all()] == ["b", "a"]


def test_many_threads_get_numbers_of_their_own() -> None:
    store, begin = Store(), threading.Barrier(8)

    def add() -> None:
        begin.wait()
        for _ in range(100):
            store.shelf("files").add(stored)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.shelf("files").all()) == 800
    assert store.shelf("batches").all() == []


@pytest.mark.parametrize(
    ("pace", "polls", "seconds", "share"),
    [
        (BatchPace(polls=2), 1, 0.0, 0.5),
        (BatchPace(polls=2), 3, 0.0, 1.0),
        (BatchPace(polls=0), 0, 0.0, 1.0),
        (BatchPace(polls=0, seconds=10), 7, 2.5, 0.25),
        (BatchPace(polls=4, seconds=10), 4, 2.5, 0.25),
    ],
)
def test_the_slower_of_looks_and_time_says_how_far_a_batch_is(
    pace: BatchPace, polls: int, seconds: float, share: float
) -> None:
    assert pace.share(polls, seconds) == share

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deluge_sync.cli.exits import ResultsError
from deluge_sync.cli.prompts import Prompt
from deluge_sync.cli.vectors import open_vectors

numpy = pytest.importorskip("numpy", reason="numpy judges the arrays")

NO = {"kind": "bad_request", "message": "no"}


def written(path: Path, vectors: list[list[float] | None], *, total: int) -> Any:
    """The array that numpy reads, after these of `total` vectors were written."""
    with closing(open_vectors(str(path), total)) as place:
        for index, vector in enumerate(vectors):
            place.write(Prompt(index, index + 1, index, "x"), vector, NO if vector is None else None)
    return numpy.load(path, allow_pickle=False)


CASES: list[tuple[list[list[float] | None], int]] = [
    ([[1.5, -2.0], [0.0, 3.25]], 2),
    ([None, None, [1.0, 2.0], None], 4),
    ([[1.0, 2.0]], 5),
    ([None, [1.0, 2.0]], 1_000_000),
    ([None, None], 2),
    ([], 0),
]


@pytest.mark.parametrize(("vectors", "total"), CASES)
def test_whatever_was_written_is_an_array_of_just_that(
    tmp_path: Path, vectors: list[list[float] | None], total: int
) -> None:
    """Texts that fail first, all that fail, and an end before the last one are told by the header as they are."""
    loaded = written(tmp_path / "v.npy", vectors, total=total)
    width = max((len(vector) for vector in vectors if vector is not None), default=0)
    expected = numpy.array([vector or [numpy.nan] * width for vector in vectors], dtype="float32")
    assert loaded.dtype == numpy.dtype("<f4")
    assert numpy.array_equal(loaded, expected.reshape(len(vectors), width), equal_nan=True)


def test_32_bits_survive_json(tmp_path: Path) -> None:
    values = numpy.random.default_rng(1).standard_normal(200).astype("float32") * numpy.float32(1e-6)
    with closing(open_vectors(str(tmp_path / "v.jsonl"), 1)) as place:
        place.write(Prompt(0, 1, 0, "x"), [float(value) for value in values], None)
    read = json.loads((tmp_path / "v.jsonl").read_text())["embedding"]
    assert numpy.array_equal(numpy.array(read, dtype="float32"), values)


def test_a_full_disk_is_told_by_the_name_of_the_file() -> None:
    place = open_vectors("/dev/full", 1)
    place.write(Prompt(0, 1, 0, "x"), [1.0], None)
    with pytest.raises(ResultsError, match="cannot write /dev/full: No space left on device"):
        place.close()

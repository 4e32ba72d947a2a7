"""What the user is given: sequences that numpy, JSON and pickle can take."""

from __future__ import annotations

import json
import pickle
import sys
from array import array

import numpy
import pytest

from deluge_sync.embedding import Embeddings, Ranked, Ranking, TextError
from deluge_sync.errors import ConfigError
from deluge_sync.response import Usage

FAILED = TextError("bad_request", "no")


def made(*vectors: list[float] | None) -> Embeddings:
    errors = {place: FAILED for place, vector in enumerate(vectors) if vector is None}
    arrays = [None if vector is None else array("f", vector) for vector in vectors]
    return Embeddings(arrays, model="m", errors=errors, usage=Usage(4, 0), cost=0.1)


def test_it_is_a_sequence_of_vectors() -> None:
    embeddings = made([1, 2], [3, 4])

    assert len(embeddings) == 2
    assert [list(vector or ()) for vector in embeddings] == [[1, 2], [3, 4]]
    assert embeddings[-1] == array("f", [3, 4])
    assert embeddings[:1] == [array("f", [1, 2])]
    assert embeddings.dimensions == 2


def test_it_can_be_written_as_json_and_pickled() -> None:
    embeddings = made([1, 2], None)

    assert json.dumps(embeddings.tolist()) == "[[1.0, 2.0], null]"
    copy = pickle.loads(pickle.dumps(embeddings))
    assert copy == embeddings
    assert copy != made([1, 2])
    assert (copy.tolist(), copy.errors, copy.usage, copy.cost) == (
        embeddings.tolist(), {1: FAILED}, Usage(4, 0), 0.1
    )  # fmt: skip


def test_the_matrix_has_a_row_for_each_text_and_nan_where_one_failed() -> None:
    matrix = made([1, 2], None, [3, 4]).to_numpy()

    assert (matrix.dtype, matrix.shape) == (numpy.float32, (3, 2))
    numpy.testing.assert_array_equal(matrix, [[1, 2], [numpy.nan, numpy.nan], [3, 4]])
    matrix[0, 0] = 7  # a copy of its own
    assert made().to_numpy().shape == (0, 0)
    assert made(None, None).to_numpy().shape == (2, 0)


def test_numpy_takes_a_vector_as_it_is() -> None:
    vector = made([1, 2])[0]

    assert numpy.asarray(vector).dtype == numpy.float32


def test_vectors_of_several_lengths_are_told() -> None:
    with pytest.raises(ConfigError, match=r"several lengths \(1, 2\)"):
        made([1, 2], [3]).to_numpy()


def test_without_numpy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)

    with pytest.raises(ConfigError, match="needs the package numpy: pip install numpy"):
        made([1]).to_numpy()


def test_they_say_what_they_are() -> None:
    assert repr(made([1, 2], None)) == "<Embeddings of 2 texts by m: 2 dimensions, 1 failed>"
    assert repr(made([1], [1, 2])) == "<Embeddings of 2 texts by m: 1 or 2 dimensions>"
    assert repr(made()) == "<Embeddings of 0 texts by m: no dimensions>"
    ranking = Ranking([Ranked(0, 0.5, "a")], model="m")
    assert repr(ranking) == "<Ranking of 1 documents by m>"
    assert ranking[0].document == "a"
    assert [each.index for each in ranking[:1]] == [0]

"""A key shows nowhere but where it is asked for by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from deluge_sync._secret import Secret

KEY = "sk-SENTINEL-31415926"


def test_only_reveal_tells() -> None:
    secret = Secret(KEY)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", f"{secret:>8}", f"{[secret]}"]
    assert secret.reveal() == KEY
    assert shown == ["***", "Secret(***)", "***", "         Secret(***)", "     ***", "[Secret(***)]"]


def test_it_has_no_dictionary_to_show() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))
    assert KEY not in repr(dir(Secret(KEY)))


@pytest.mark.parametrize("keep", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_it_cannot_be_written_down(keep: object) -> None:
    with pytest.raises(TypeError) as caught:
        keep(Secret(KEY))  # type: ignore[operator]  # each of them is a function of one argument
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle_protocol_takes_it(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps({"key": Secret(KEY)}, protocol)


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f"cannot use {secret}")

    with pytest.raises(ValueError, match=r"cannot use \*\*\*") as caught:
        fail(Secret(KEY))
    error = caught.value
    assert error.__traceback__ is not None
    frames = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    shown = "".join(frames.format())
    assert "secret = Secret(***)" in shown
    assert KEY not in shown


def test_a_log_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger(__name__).debug("the key is %s, %r", Secret(KEY), {"key": Secret(KEY)})
    assert caplog.messages == ["the key is ***, {'key': Secret(***)}"]


def test_equal_keys_are_equal_and_fit_a_set() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("another")
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY), Secret("another")}) == 2

"""botocore reads the messages as they are meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deluge_sync.testing._aws_events import event_message, exception_message

eventstream: Any = pytest.importorskip("botocore.eventstream")


def test_messages_are_read_by_botocore() -> None:
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(event_message("messageStart", {"role": "é"}) + exception_message("oops", {"message": "x"}))
    event, exception = list(buffer)
    assert event.headers == {
        ":event-type": "messageStart",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert json.loads(event.payload) == {"role": "é"}
    assert exception.headers[":exception-type"] == "oops"
    assert exception.headers[":message-type"] == "exception"
    assert json.loads(exception.payload) == {"message": "x"}

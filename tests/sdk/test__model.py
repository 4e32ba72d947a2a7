from __future__ import annotations

import threading
from typing import Any

import pytest
from pydantic import BaseModel

from deluge_sync.sdk import _model
from deluge_sync.sdk._base import Model


def test_a_validator_is_built_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaf(Model):
        value: int

    other_could_build = []
    build = BaseModel.model_rebuild.__func__  # type: ignore[attr-defined]  # a class method seen from the class

    def spy(cls: type[BaseModel], /, **options: Any) -> Any:
        other = threading.Thread(target=lambda: other_could_build.append(_model.building.acquire(blocking=False)))
        other.start()
        other.join()
        return build(cls, **options)

    monkeypatch.setattr(BaseModel, "model_rebuild", classmethod(spy))
    assert Leaf(value=1).value == 1
    assert other_could_build == [False]

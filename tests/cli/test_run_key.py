from __future__ import annotations

import hashlib
import json
from typing import Any

from deluge_sync.cli.run_key import settings_digest

URL = "https://api.openai.com/v1"


def digest(system: str | None = None, more: dict[str, Any] | None = None, **settings: Any) -> str:
    return settings_digest(settings, {}, system=system, **(more or {}))


def test_results_of_the_first_version_can_be_gone_on_with() -> None:
    """It hashed these five, and nothing else."""
    shaping = {"system": "Hi", "model": "gpt-4.1", "max_tokens": 512, "temperature": 0.75, "base_url": URL}
    before = hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()
    assert digest("Hi", model_names="gpt-4.1") == before


def test_pace_and_defaults_that_are_spelled_out_change_nothing() -> None:
    pace: dict[str, Any] = {
        "max_requests_per_minute": 9,
        "max_attempts": 1,
        "request_timeout": 5,
        "max_cost": 3.0,
        "progress": "tqdm",
    }
    defaults: dict[str, Any] = {"top_p": 1.0, "json_mode": False, "model_weights": "uniform", "max_new_tokens": 512}
    assert digest(**pace, **defaults) == digest()


def test_whatever_shapes_an_answer_makes_another_run() -> None:
    changes: list[dict[str, Any]] = [
        {"model_names": ["gpt-4.1-mini", "gpt-4.1"]},
        {"model_names": ["gpt-4.1-mini", "gpt-4.1"], "model_weights": [1.0, 2.0]},
        {"top_p": 0.5},
        {"seed": 0},
        {"json_mode": True},
        {"sampling_params": [{"temperature": 0}]},
        {"use_responses_api": True},
        {"more": {"schema": {"type": "object"}}},
        {"more": {"images": "url"}},
        {"system": ""},
    ]
    digests = [digest(), *(digest(**change) for change in changes)]
    assert len(set(digests)) == len(digests)
    assert digest(more={"schema": None, "images": None}) == digest()

"""Celery tasks that ask a model.

    pip install deluge-sync 'celery[redis]'
    export OPENAI_API_KEY=sk-...        # or OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and `deluge-sync serve`
    export CELERY_BROKER_URL=redis://127.0.0.1:6379/0 CELERY_RESULT_BACKEND=redis://127.0.0.1:6379/1
    export CELERY_PROCESSES=2           # the limits below are divided by it
    celery -A celery_task worker --pool prefork --concurrency $CELERY_PROCESSES

    python -c 'from celery_task import answer; print(answer.delay("Why is the sky blue?").get(timeout=60))'

One task with a thousand questions is answered as fast as the limits allow. A thousand tasks with one question each are
answered `--concurrency` at a time: a Celery process works on one task at once. Give each task a batch of questions.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals

from deluge_sync import APIResponse, LLMClient
from deluge_sync.errors import DelugeError

PROCESSES = int(os.environ.get("CELERY_PROCESSES", "1"))

# Broker and result backend come from CELERY_BROKER_URL and CELERY_RESULT_BACKEND, which Celery itself reads.
app = Celery("celery_task")

# Nothing starts here. Celery forks its processes after this; each takes threads and connections at its first question.
client = LLMClient(
    "gpt-4.1-mini",
    max_requests_per_minute=max(1, 5_000 // PROCESSES),
    max_tokens_per_minute=max(1_000, 2_000_000 // PROCESSES),
)


class NotAnsweredError(DelugeError):
    """The model gave no answer, after all retries that could help."""


@app.task
def answer(question: str) -> str | None:
    """The answer to one question; a task that fails where there is none."""
    [response] = client.process_prompts_sync(question, show_progress=False)
    if response.is_error:
        raise NotAnsweredError(f"{response.error_kind}: {response.error_message}")
    return response.completion


@app.task
def answers(questions: list[str]) -> list[dict[str, Any]]:
    """The answers to many questions, in their order. Each says for itself whether it failed."""
    return [as_json(response) for response in client.process_prompts_sync(questions, show_progress=False)]


def as_json(response: APIResponse) -> dict[str, Any]:
    return {"answer": response.completion, "error": response.error_message, "cost": response.cost}


@signals.worker_process_shutdown.connect
def close_client(**_: object) -> None:
    """Runs in each process when its last task is done."""
    client.close()

"""The one client of each process."""

from __future__ import annotations

import os

from deluge_sync import APIResponse, LLMClient
from django_app.connections import closing_connections
from django_app.models import Expense

PROCESSES = int(os.environ.get("WEB_CONCURRENCY", "1"))


@closing_connections
def write_down(response: APIResponse) -> APIResponse:
    """Runs in a thread of the client's, once for each answer. Should it fail, the answer is delivered all the same."""
    if response.usage is not None:
        Expense.objects.create(
            model_name=response.model_internal, tokens=response.usage.total_tokens, cost_usd=response.cost
        )
    return response


# Nothing starts here. Each process takes threads, connections and keys of its own at its first question, also after a
# fork (`--preload`), and keeps to the limits by itself: so it gets its share of what the provider allows.
client = LLMClient(
    "gpt-4.1-mini",
    max_requests_per_minute=max(1, 5_000 // PROCESSES),
    max_tokens_per_minute=max(1_000, 2_000_000 // PROCESSES),
    max_seconds_per_prompt=60,  # retries and waits included: nobody looks at a page for longer
    postprocess=write_down,
)

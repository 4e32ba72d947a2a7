"""Batch jobs: many prompts answered within a day at half the price, each job bought once and handed out whole.

    submit   planning (prompts -> files) > sending (a file becomes a batch, once)      driven by submitting
    follow   waiting (looks, downloads) > collecting (result lines -> responses)       driven by following
    job      manifest (state from records, pure) < journal (the file) ; entries (the prompts on the disk)
    provider backend (what all have) < openai, anthropic, gemini, mistral ; wire (one account, each call once)
    beside   desk and session (a job that is open), patience (pauses), places, selecting, progress, status, ids, calls

Every step is written down before what follows from it, so a job goes on after a kill at any moment. Nothing here reads
the client: what a job needs of it is lent (`session.Lender`). The results are read by the adapters that wrote the
requests.
"""

from __future__ import annotations

from deluge_sync.batch.ids import BatchIds
from deluge_sync.batch.status import JobStatus, PartStatus, list_jobs

__all__ = ["BatchIds", "JobStatus", "PartStatus", "list_jobs"]

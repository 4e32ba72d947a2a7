"""Answers a file of questions, one a line, and writes the answers beside them.

    pip install deluge-sync
    export OPENAI_API_KEY=sk-...        # or OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and `deluge-sync serve`
    python script.py questions.txt answers.jsonl

Run it again, and only what has no answer yet is paid for: answers are kept in `answers.jsonl.cache`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from deluge_sync import LLMClient
from deluge_sync.cache import SqliteCache


def main(questions_file: str, answers_file: str) -> int:
    questions = Path(questions_file).read_text("utf-8").splitlines()
    with LLMClient(
        "gpt-4.1-mini",
        max_requests_per_minute=5_000,
        max_tokens_per_minute=2_000_000,
        cache=SqliteCache(f"{answers_file}.cache"),
        name=Path(questions_file).name,
    ) as client:
        responses = client.process_prompts_sync(questions)

    with Path(answers_file).open("w", encoding="utf-8") as file:
        for question, response in zip(questions, responses, strict=True):
            row = {"question": question, "answer": response.completion, "error": response.error_message}
            file.write(json.dumps(row) + "\n")

    failed = [response for response in responses if response.is_error]
    paid = sum(response.cost or 0 for response in responses if not response.local_cache_hit)
    print(f"{len(responses) - len(failed)} of {len(responses)} answered for ${paid:.4f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)

"""A Flask application that asks a model: one question, many at once, and an answer that arrives piece by piece.

pip install deluge-sync flask gunicorn
export OPENAI_API_KEY=sk-...        # or OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and `deluge-sync serve`
export WEB_CONCURRENCY=2            # how many processes gunicorn starts; the limits below are divided by it
gunicorn --worker-class gthread --threads 50 --preload --graceful-timeout 90 --timeout 120 flask_app:app

curl 'http://127.0.0.1:8000/answer?question=Why+is+the+sky+blue'
curl -H 'Content-Type: application/json' -d '["What is GCRA?", "What is a leap year?"]' http://127.0.0.1:8000/answers
curl -N 'http://127.0.0.1:8000/stream?question=Tell+me+a+story'
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from flask import Flask, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from deluge_sync import APIResponse, LLMClient

MOST_QUESTIONS = 20
PROCESSES = int(os.environ.get("WEB_CONCURRENCY", "1"))

# Nothing starts here. Each process takes threads, connections and keys of its own at its first question, also after a
# fork (`--preload`), and keeps to the limits by itself: so it gets its share of what the provider allows.
client = LLMClient(
    "gpt-4.1-mini",
    max_requests_per_minute=max(1, 5_000 // PROCESSES),
    max_tokens_per_minute=max(1_000, 2_000_000 // PROCESSES),
    max_seconds_per_prompt=60,  # retries and waits included: nobody looks at a page for longer
)
app = Flask(__name__)


@app.get("/answer")
def answer() -> ResponseReturnValue:
    """Answer one question."""
    [response] = client.process_prompts_sync(question_of_request(), show_progress=False)
    return as_json(response), 502 if response.is_error else 200


@app.post("/answers")
def answers() -> ResponseReturnValue:
    """Answer a list of questions at the same time; one that fails does not take the others with it."""
    questions = request.get_json()
    if not isinstance(questions, list) or not all(isinstance(each, str) for each in questions):
        abort(400, "a list of texts, please")
    responses = client.process_prompts_sync(questions[:MOST_QUESTIONS], show_progress=False)
    return jsonify([as_json(response) for response in responses])


@app.get("/stream")
def stream() -> Response:
    """Send the answer while it arrives, as server-sent events."""
    return Response(events(question_of_request()), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


def events(question: str) -> Iterator[str]:
    """A visitor who goes away closes this generator, which cuts the answer off: no more is paid for."""
    for piece in client.stream_chat_sync(question):
        if isinstance(piece, str):
            yield f"data: {json.dumps(piece)}\n\n"
        elif isinstance(piece, APIResponse):
            yield f"event: {'error' if piece.is_error else 'end'}\ndata: {json.dumps(as_json(piece))}\n\n"


def question_of_request() -> str:
    return request.args.get("question") or abort(400, "a question, please")


def as_json(response: APIResponse) -> dict[str, object]:
    """What a visitor may see. The provider's own message is for the log: it can name your account."""
    if response.is_error:
        app.logger.error("no answer: %s: %s", response.error_kind, response.error_message)
        return {"error": response.error_kind}
    return {"answer": response.completion, "cost": response.cost}

"""One answer, twenty at once, and one that arrives piece by piece."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, StreamingHttpResponse

from deluge_sync import APIResponse
from django_app.llm import client

log = logging.getLogger(__name__)

STYLES = [
    "a poet", "a pirate", "a child", "a lawyer", "a physicist", "a chef", "a sailor", "a robot", "a king", "a spy",
    "a monk", "a painter", "a farmer", "a judge", "a clown", "a banker", "a ghost", "a gardener", "a pilot", "a thief",
]  # fmt: skip


def answer(request: HttpRequest) -> HttpResponse:
    """Answer one question."""
    if not (question := request.GET.get("question")):
        return HttpResponseBadRequest("a question, please")
    [response] = client.process_prompts_sync(question, show_progress=False)
    return JsonResponse(as_json(response), status=502 if response.is_error else 200)


def names(request: HttpRequest) -> HttpResponse:
    """Ask twenty questions at the same time; those that fail do not take the others with them."""
    if not (thing := request.GET.get("thing")):
        return HttpResponseBadRequest("a thing, please")
    prompts = [f"You are {style}. Find a name for {thing}. Only the name." for style in STYLES]
    responses = client.process_prompts_sync(prompts, show_progress=False)
    return JsonResponse({style: as_json(each) for style, each in zip(STYLES, responses, strict=True)})


def stream(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the answer while it arrives, as server-sent events."""
    if not (question := request.GET.get("question")):
        return HttpResponseBadRequest("a question, please")
    response = StreamingHttpResponse(events(question), content_type="text/event-stream")
    response["X-Accel-Buffering"] = "no"  # nginx would hold the pieces back
    return response


def events(question: str) -> Iterator[str]:
    """A visitor who goes away closes this generator, which cuts the answer off: no more is paid for."""
    for piece in client.stream_chat_sync(question):
        if isinstance(piece, str):
            yield f"data: {json.dumps(piece)}\n\n"
        elif isinstance(piece, APIResponse):
            yield f"event: {'error' if piece.is_error else 'end'}\ndata: {json.dumps(as_json(piece))}\n\n"


def as_json(response: APIResponse) -> dict[str, object]:
    """What a visitor may see. The provider's own message is for the log: it can name your account."""
    if response.is_error:
        log.error("no answer: %s: %s", response.error_kind, response.error_message)
        return {"error": response.error_kind}
    return {"answer": response.completion, "cost": response.cost}

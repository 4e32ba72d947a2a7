"""The wire format of Bedrock's Converse API: its paths, its keys and signatures, its errors.

It lives below /bedrock. A request has a key as bearer token, or the signature of an AWS access key, whose secret is
`FakeProvider.aws_secret_key`. There are no rate-limit headers. The operations themselves are in `_bedrock_converse`.
Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html (read 2026-11).
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from deluge_sync.testing._aws_signature import access_key, signature_problem
from deluge_sync.testing._bedrock_converse import converse, converse_stream
from deluge_sync.testing._format import Refused, Route
from deluge_sync.testing._reply import ErrorSpec, Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deluge_sync.testing._format import Call, Draft
    from deluge_sync.testing._limits import Dimension, Shortage, Standing
    from deluge_sync.testing._wire import Incoming

__all__ = [
    "PREFIX",
    "ROUTES",
    "api_key",
    "over_limit",
    "render_error",
    "reply_headers",
    "unknown_path",
    "wrong_key",
    "wrong_method",
]

PREFIX = "/bedrock"
_SERVICE = "bedrock"

# status: type, message, where an error does not say otherwise
_USUAL: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        404: ("ResourceNotFoundException", "The specified resource ARN was not found."),
        408: ("ModelTimeoutException", "Model has timed out in processing the request."),
        424: ("ModelErrorException", "The system encountered an unexpected error during processing."),
        429: ("ThrottlingException", "Too many requests, please wait before trying again."),
        500: ("InternalServerException", "The system encountered an unexpected error during processing."),
        503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
    }
)


def api_key(headers: Mapping[str, str]) -> str | None:
    """The bearer token of the Authorization header, or the access key that signed the request."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else access_key(headers)


def render_error(spec: ErrorSpec, _request: Incoming) -> Raw:
    """`{"message"}`, the type in the header x-amzn-errortype, and the headers of `spec`."""
    kind = "InternalServerException" if spec.status >= 500 else "ValidationException"
    usual_type, usual_message = _USUAL.get(spec.status, (kind, f"status {spec.status} as ordered"))
    own = {"content-type": "application/json", "x-amzn-errortype": spec.type or spec.code or usual_type}
    hint = {} if spec.retry_after is None else {"retry-after": str(spec.retry_after)}
    body = json.dumps({"message": spec.message or usual_message}).encode()
    return Raw(spec.status, {**own, **hint, **spec.headers}, body)


def unknown_path(_request: Incoming) -> ErrorSpec:
    """404 for a path that is not part of the API."""
    return ErrorSpec(
        404, "Unable to determine service/operation name to be authorized", type="UnknownOperationException"
    )


def wrong_method(request: Incoming) -> ErrorSpec:
    """405 for a path of the API with a method it does not take."""
    return ErrorSpec(405, f"{request.path} does not take {request.method}", type="UnknownOperationException")


def wrong_key(key: str | None) -> ErrorSpec:
    """403, for a missing key and a wrong one alike; the key is not shown."""
    if key is None:
        return ErrorSpec(403, "Missing Authentication Token", type="MissingAuthenticationTokenException")
    return ErrorSpec(403, "Authentication failed: Please make sure your API Key is valid.")


def over_limit(shortage: Shortage) -> ErrorSpec:
    """429 naming what ran out."""
    return ErrorSpec(429, f"Too many {shortage.dimension}, please wait before trying again.")


def reply_headers(_standings: Mapping[Dimension, Standing], sequence: int) -> dict[str, str]:
    """`x-amzn-requestid`."""
    return {"x-amzn-requestid": f"00000000-0000-4000-8000-{sequence:012d}"}


def _signed(operation: Callable[[Call], Draft]) -> Callable[[Call], Draft]:
    """The operation, for requests whose signature is right if they have one."""

    def checked(call: Call) -> Draft:
        if access_key(call.incoming.headers) is not None:
            problem = signature_problem(call.incoming, _SERVICE)
            if problem is not None:
                raise Refused(ErrorSpec(403, problem, type="InvalidSignatureException"))
        return operation(call)

    return checked


ROUTES = (
    Route("POST", f"{PREFIX}/model/{{model_id}}/converse", _signed(converse)),
    Route("POST", f"{PREFIX}/model/{{model_id}}/converse-stream", _signed(converse_stream)),
)

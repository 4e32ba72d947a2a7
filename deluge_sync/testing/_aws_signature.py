"""Whether a request is signed as AWS wants it (Signature Version 4): computed anew by botocore, and compared.

Without botocore a signature is looked at, but not checked. Every access key that the provider takes has the same
secret, because it cannot know those of a user.
Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read 2026-11).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deluge_sync.testing._wire import Incoming

__all__ = ["SECRET_KEY", "access_key", "signature_problem"]

SECRET_KEY = "embedded-provider-secret"
"""The secret of every access key."""

_SCHEME = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[\w-]+)/(?P<service>[\w-]+)/"
    r"aws4_request,\s*SignedHeaders=(?P<headers>[\w;-]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_TIME = "%Y%m%dT%H%M%SZ"
_LIFE = timedelta(minutes=5)
_AT_LEAST = {"host", "x-amz-date"}
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the Authorization header says."""

    region: str
    service: str
    date: str
    headers: tuple[str, ...]
    signature: str


def access_key(headers: Mapping[str, str]) -> str | None:
    """The access key id of a signed request, or None."""
    found = _SCHEME.fullmatch(headers.get("authorization", ""))
    return found["key"] if found else None


def signature_problem(incoming: Incoming, service: str) -> str | None:
    """What is wrong with the signature; None if it is right, or cannot be checked because botocore is missing."""
    found = _SCHEME.fullmatch(incoming.headers.get("authorization", ""))
    if found is None:
        return "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."
    claim = _Claim(
        found["region"], found["service"], found["date"], tuple(found["headers"].split(";")), found["signature"]
    )
    return _problem_of_time(incoming, claim) or _problem_of_scope(claim, service) or _mismatch(incoming, claim, found)


def _problem_of_time(incoming: Incoming, claim: _Claim) -> str | None:
    now, text = datetime.now(UTC), incoming.headers.get("x-amz-date", "")
    try:
        signed_at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return "Date must be in ISO-8601 'basic format'."
    if claim.date != text[:8]:
        return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
    if now - signed_at > _LIFE:
        return f"Signature expired: {text} is now earlier than {(now - _LIFE).strftime(_TIME)}"
    return f"Signature not yet current: {text} is still later than now" if signed_at - now > _LIFE else None


def _problem_of_scope(claim: _Claim, service: str) -> str | None:
    if claim.service != service:
        return f"Credential should be scoped to correct service: '{service}'."
    lacking = _AT_LEAST - set(claim.headers)
    return f"'{min(lacking)}' must be a 'SignedHeader' in the AWS Authorization." if lacking else None


def _mismatch(incoming: Incoming, claim: _Claim, found: re.Match[str]) -> str | None:
    try:
        auth, awsrequest = import_module("botocore.auth"), import_module("botocore.awsrequest")
    except ImportError:
        return None
    credentials = import_module("botocore.credentials").Credentials(found["key"], SECRET_KEY)
    signer = auth.SigV4Auth(credentials, claim.service, claim.region)
    request = awsrequest.AWSRequest(
        method=incoming.method,
        url=f"http://{incoming.headers.get('host', '')}{incoming.target}",
        headers={name: incoming.headers.get(name, "") for name in claim.headers},
        data=incoming.body,
    )
    request.context["timestamp"] = incoming.headers["x-amz-date"]
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return None if hmac.compare_digest(expected, claim.signature) else _MISMATCH

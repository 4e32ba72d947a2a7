"""Signs a request with AWS credentials (Signature Version 4), for whoever has no API key for Bedrock.

botocore, the extra `aws`, does it: it finds the credentials as every AWS tool does (environment, profile, role of the
machine), renews them, and computes the signature. It is imported with the first request that needs it. A signature is
made over the method, the address, the body and every header that is given here, and AWS takes it for five minutes.
Nothing of it is logged: botocore's own `add_auth` would write headers to its log, so it is not used.

`bedrock` calls it. The clock and the credentials can be given, so that tests need neither.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read 2026-11).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from deluge_sync._fork import start_afresh_in_child
from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError

if TYPE_CHECKING:
    from deluge_sync._http import HttpRequest

__all__ = ["Signer", "find_credentials"]

_REGION_IN_HOST: Final = re.compile(r"\.([a-z]{2}(?:-[a-z0-9]+)+-\d+)\.")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_ASK_AGAIN_S: Final = 10.0
_NEEDED: Final = "a request to Bedrock without AWS_BEARER_TOKEN_BEDROCK is signed"


def _now() -> datetime:
    return datetime.now(UTC)


class Signer:
    """Signs requests to one AWS service. For any number of threads.

    find: gives an object of botocore's with `get_frozen_credentials()`, or None where there are none. It is asked once,
    and again after some seconds where it had none; it may ask the network. clock: gives the time in UTC.
    """

    def __init__(
        self, service: str, *, find: Callable[[], Any] | None = None, clock: Callable[[], datetime] = _now
    ) -> None:
        self._service = service
        self._find = find or find_credentials
        self._clock = clock
        self._start_afresh()
        start_afresh_in_child(self)

    def _start_afresh(self) -> None:
        """Credentials that renew themselves hold a lock, which another thread may have held at the fork."""
        self._found: Any = None
        self._missing_since: datetime | None = None
        self._region: str | None = None

    def signed(self, request: HttpRequest) -> HttpRequest:
        """The request with the headers that prove who sent it.

        Raises:
            ConfigError: botocore is not installed or finds no credentials, or nothing tells the region.
        """
        auth = _botocore("auth")
        signing = auth.SigV4Auth(self._credentials(), self._service, self._region_of(request.url))
        own: dict[str, str] = {"X-Amz-Date": self._clock().strftime(_TIME)}
        if signing.credentials.token:
            own["X-Amz-Security-Token"] = signing.credentials.token
        given = {name: value for name, value in request.headers.items() if name.title() not in own}
        plain = {name: value.reveal() if isinstance(value, Secret) else value for name, value in given.items()} | own
        own["Authorization"] = _authorization(signing, replace(request, headers=plain), own["X-Amz-Date"])
        return replace(request, headers={**given, **{name: Secret(value) for name, value in own.items()}})

    def _credentials(self) -> Any:
        if self._found is None:
            self._look()
        frozen = self._found.get_frozen_credentials()  # renewed by botocore if they are about to run out
        if not (frozen.access_key and frozen.secret_key):
            raise ConfigError(f"{_NEEDED}, but the AWS credentials of this machine are empty")
        return frozen

    def _region_of(self, url: str) -> str:
        """The region in the name of the host; at another host the one that is configured."""
        found = _REGION_IN_HOST.search(urlsplit(url).hostname or "")
        region = found[1] if found else self._region or _configured_region()
        if not region:
            raise ConfigError(f"{_NEEDED}, for which the region must be known: set AWS_REGION")
        if not found:
            self._region = region
        return region

    def _look(self) -> None:
        """Two threads may both look; they find the same."""
        now = self._clock()
        since = self._missing_since
        if since is None or (now - since).total_seconds() >= _ASK_AGAIN_S:
            self._found = self._find()
            self._missing_since = now if self._found is None else None
        if self._found is None:
            raise ConfigError(
                f"{_NEEDED}, but there are no AWS credentials: set that variable, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or configure a profile or role that botocore finds"
            )


def _configured_region() -> str | None:
    """What is configured for all AWS tools; botocore itself does not look at the first variable."""
    return os.environ.get("AWS_REGION") or _botocore("session").Session().get_config_variable("region")


def find_credentials() -> Any:
    """What botocore's chain finds, or None. May read files and ask the network, for some seconds at most."""
    session = _botocore("session")
    exceptions = _botocore("exceptions")
    try:
        return session.Session().get_credentials()
    except exceptions.BotoCoreError as error:
        problem = str(error)
    raise ConfigError(f"{_NEEDED}, but botocore cannot find AWS credentials: {problem}")


def _authorization(signing: Any, request: HttpRequest, timestamp: str) -> str:
    """The value of the header of that name, for a request whose headers are complete and in the clear."""
    sent = _botocore("awsrequest").AWSRequest(
        method=request.method, url=request.url, headers=request.headers, data=request.body
    )
    sent.context["timestamp"] = timestamp
    text = signing.string_to_sign(sent, signing.canonical_request(sent))
    names = signing.signed_headers(signing.headers_to_sign(sent))
    signature = signing.signature(text, sent)
    return f"AWS4-HMAC-SHA256 Credential={signing.scope(sent)}, SignedHeaders={names}, Signature={signature}"


def _botocore(module: str) -> Any:
    """A module of botocore: it is optional, and large."""
    try:
        return import_module(f"botocore.{module}")
    except ImportError as error:
        raise ConfigError(f"{_NEEDED}, which needs botocore: pip install 'deluge-sync[aws]'") from error

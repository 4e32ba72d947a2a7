"""Signatures as botocore makes them, without what is secret in any log, and what is missing told."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from deluge_sync import _fork
from deluge_sync._adapters import aws_signing
from deluge_sync._adapters.aws_signing import Signer
from deluge_sync._http import HttpRequest
from deluge_sync._secret import Secret
from deluge_sync.errors import ConfigError

auth: Any = pytest.importorskip("botocore.auth")
awsrequest: Any = pytest.importorskip("botocore.awsrequest")
credentials: Any = pytest.importorskip("botocore.credentials")

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
URL = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.amazon.nova-2-lite-v1%3A0/converse"
BODY = b'{"messages":[]}'


def request(url: str = URL, headers: Mapping[str, str | Secret] | None = None) -> HttpRequest:
    return HttpRequest("POST", url, {"Content-Type": "application/json", **(headers or {})}, BODY)


def signer(token: str | None = None, clock: Callable[[], datetime] = lambda: NOW) -> Signer:
    found = credentials.Credentials("AKIDTEST", "the-secret", token)
    return Signer("bedrock", find=lambda: found, clock=clock)


def plain(signed: HttpRequest) -> dict[str, str]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in signed.headers.items()}


def by_botocore(monkeypatch: pytest.MonkeyPatch, given: HttpRequest, token: str | None, region: str) -> dict[str, str]:
    """The headers of the same request as botocore signs it when it is left to itself."""
    monkeypatch.setattr(auth, "get_current_datetime", lambda: NOW)
    sent = awsrequest.AWSRequest(method="POST", url=given.url, headers=plain(given), data=BODY)
    auth.SigV4Auth(credentials.Credentials("AKIDTEST", "the-secret", token), "bedrock", region).add_auth(sent)
    return dict(sent.headers.items())


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize(
    "url",
    [URL, "http://127.0.0.1:8089/bedrock/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprofile%2Fa/converse?b=2&a=1"],
)
def test_a_request_is_signed_as_botocore_signs_it(monkeypatch: pytest.MonkeyPatch, token: str | None, url: str) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    given = request(url, {"X-Gateway-Key": Secret("gateway  key"), "X-Plain": "a"})
    signed = signer(token).signed(given)
    assert plain(signed) == by_botocore(monkeypatch, given, token, "eu-west-1")
    assert (signed.method, signed.url, signed.body) == (given.method, given.url, given.body)


def test_a_signature_of_the_user_does_not_stay_beside_ours() -> None:
    signed = signer("t").signed(request(headers={"x-amz-date": "never", "X-AMZ-SECURITY-TOKEN": "theirs"}))
    assert sorted(name.lower() for name in signed.headers) == [
        "authorization",
        "content-type",
        "x-amz-date",
        "x-amz-security-token",
    ]
    assert plain(signed)["X-Amz-Date"] == "20261123T120000Z"


def test_nothing_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        signed = signer("session-token").signed(request(headers={"X-Gateway-Key": Secret("gateway-key")}))
    signature = plain(signed)["Authorization"].rpartition("=")[2]
    for secret in ("the-secret", "session-token", "gateway-key", "AKIDTEST", signature):
        assert secret not in caplog.text
        assert secret not in repr(signed)


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-1a2b-3c.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("gateway.test", "mx-central-1"),
    ],
)
def test_the_region_is_that_of_the_host_else_the_configured_one(
    monkeypatch: pytest.MonkeyPatch, host: str, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "mx-central-1")
    signed = signer().signed(request(f"https://{host}/model/m/converse"))
    assert f"/20261123/{region}/bedrock/aws4_request" in plain(signed)["Authorization"]


def test_without_a_region_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigError, match="set AWS_REGION"):
        signer().signed(request("https://gateway.test/model/m/converse"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert "eu-west-3" in plain(signer().signed(request("https://gateway.test/m")))["Authorization"]


def test_credentials_are_looked_for_once_and_renewed_by_botocore() -> None:
    keys = iter(["first", "second"])
    frozen = lambda: SimpleNamespace(access_key=next(keys), secret_key="s", token=None)  # noqa: E731  (of one use)
    looks: list[int] = []

    def find() -> Any:
        looks.append(1)
        return SimpleNamespace(get_frozen_credentials=frozen)

    signing = Signer("bedrock", find=find, clock=lambda: NOW)
    headers = [plain(signing.signed(request()))["Authorization"] for _ in range(2)]
    assert [header.partition("/")[0].rpartition("=")[2] for header in headers] == ["first", "second"]
    assert len(looks) == 1


def test_a_child_process_looks_for_its_own() -> None:
    looks: list[int] = []

    def find() -> Any:
        looks.append(1)
        return credentials.Credentials("AKIDTEST", "the-secret")

    signing = Signer("bedrock", find=find, clock=lambda: NOW)
    signing.signed(request())
    _fork._run()  # what happens in a child after the fork
    signing.signed(request())
    assert len(looks) == 2


def test_missing_credentials_are_told_and_not_looked_for_at_every_prompt() -> None:
    now, looks = [NOW], [0]

    def find() -> Any:
        looks[0] += 1
        return credentials.Credentials("AKIDTEST", "the-secret") if looks[0] == 3 else None

    signing = Signer("bedrock", find=find, clock=lambda: now[0])
    for seconds, expected in ((0, 1), (9, 1), (1, 2)):
        now[0] += timedelta(seconds=seconds)
        with pytest.raises(ConfigError, match=r"AWS_BEARER_TOKEN_BEDROCK.*AWS_ACCESS_KEY_ID"):
            signing.signed(request())
        assert looks[0] == expected
    now[0] += timedelta(seconds=10)
    assert "Authorization" in signing.signed(request()).headers


def test_empty_credentials_are_none() -> None:
    empty = Signer("bedrock", find=lambda: credentials.Credentials("", ""), clock=lambda: NOW)
    with pytest.raises(ConfigError, match="are empty"):
        empty.signed(request())


def test_botocores_own_chain_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    signed = Signer("bedrock", clock=lambda: NOW).signed(request())
    assert plain(signed)["Authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDOFENV/20261123/eu-west-1/bedrock/"
    )


def test_a_profile_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(ConfigError, match=r"botocore cannot find AWS credentials: .*nobody"):
        Signer("bedrock").signed(request())


def test_without_botocore_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(ConfigError, match=r"pip install 'deluge-sync\[aws\]'"):
        aws_signing.find_credentials()


def test_botocore_is_not_loaded_before_something_is_signed() -> None:
    script = "import sys, deluge_sync._adapters.bedrock; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0

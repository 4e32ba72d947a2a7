"""`FakeProvider`: the embedded provider as its users see it. Everything it does is in the other modules."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self

from deluge_sync.errors import ConfigError
from deluge_sync.testing._aws_signature import SECRET_KEY
from deluge_sync.testing._desk import Desk, Policy, Script, presented_key
from deluge_sync.testing._faults import Faults
from deluge_sync.testing._ledger import Ledger, RequestRecord, busiest
from deluge_sync.testing._limits import Limits
from deluge_sync.testing._listener import Listener
from deluge_sync.testing._store import BatchPace, Store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence

    from deluge_sync.testing._delivery import Outgoing
    from deluge_sync.testing._desk import Charge, Latency, RetryHint, ScriptSource, Verdict
    from deluge_sync.testing._wire import Incoming

__all__ = ["FakeProvider", "serve"]

Outage = Literal["refuse", "close", "503"]


class FakeProvider:
    """A hosted-model provider on loopback: a real HTTP/1.1 server that speaks the providers' formats.

        with FakeProvider(requests_per_minute=600) as provider:
            client = openai.OpenAI(base_url=provider.openai_url, api_key="any")

    It answers by itself, always the same for the same request; counts tokens (four characters each); enforces limits;
    misbehaves by chance (`faults`) or to order (`script`); and keeps a ledger, by which a test can judge.

    Args:
        port: 0 takes a free one. `host` should stay a loopback address: there is no protection of any kind.
        api_keys: the keys that are right. None: every key that is not empty.
        models: the model names that exist. None: every name.
        ignore_unknown: take requests with fields that OpenAI would refuse, as many servers that imitate it do.
        requests_per_minute, tokens_per_minute: enforced with a continuously refilled bucket; None is no limit.
        burst_s: how many seconds' worth may come at once. 60.0 is the whole minute, 1.0 counts in one-second windows.
        token_charge: what a request takes from the token limit, never refunded: "max" the larger of prompt and
            max_tokens (as OpenAI counts), "sum" prompt and max_tokens, "used" what is used in fact.
        rate_limit_headers: whether replies tell where the limits stand.
        retry_after: the hint of a 429 from a limit: whole "seconds", "ms", an HTTP "date", a fixed number, or None.
        max_concurrent: more requests at the same time get `max_concurrent_status`.
        latency_s: seconds before every reply, or a function of a seeded `random.Random` that gives them.
        chunk_delay_s: seconds between the events of a stream.
        faults: chances of misbehaviour by name, at most one for each request; `deluge_sync.testing.FAULTS` has them.
        script: replies for the coming requests, in order (None among them is an ordinary answer), or a function
            from the `RequestRecord` to a `Reply` or None. See `use_script`.
        batches: how fast batches get on, and whether their time runs out; see `BatchPace`. Their requests are answered
            as if they had been sent one by one, but count against no limit and are not in the ledger.
        background: how fast a response in the background gets on, in looks at it and seconds.
        seed: makes faults and latencies repeatable: request number n always meets the same fate.
        keep_bodies: False keeps the ledger small in long runs.
        certfile, keyfile: PEM files; with them it speaks https.

    All methods and properties may be used from any thread. A client that hangs up while it waits is noticed, and its
    request is over. Requests must not be pipelined.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        api_keys: Collection[str] | None = None,
        models: Sequence[str] | None = None,
        ignore_unknown: bool = False,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        burst_s: float = 60.0,
        token_charge: Charge = "max",
        rate_limit_headers: bool = True,
        retry_after: RetryHint = "seconds",
        max_concurrent: int | None = None,
        max_concurrent_status: int = 429,
        latency_s: Latency = 0.0,
        chunk_delay_s: float = 0.0,
        faults: Mapping[str, float] = MappingProxyType({}),
        script: ScriptSource = (),
        batches: BatchPace = BatchPace(),  # noqa: B008  (frozen)
        background: BatchPace = BatchPace(),  # noqa: B008
        seed: int = 0,
        keep_bodies: bool = True,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        policy = Policy(
            api_keys,
            models,
            ignore_unknown,
            token_charge,
            rate_limit_headers,
            retry_after,
            max_concurrent,
            max_concurrent_status,
            latency_s,
            chunk_delay_s,
            seed,
        )
        limits = Limits(requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, burst_s=burst_s)
        self._host = host
        self._port = port
        self._tls = _tls_context(certfile, keyfile)
        self._ledger = Ledger(keep_bodies=keep_bodies)
        self._desk = Desk(policy, limits, Faults(faults), Script(script), Store(batches, background))
        self._outage: Outage | None = None
        # Guards _listener: starting and stopping from several threads must not leave a listener behind.
        self._lock = threading.Lock()
        self._listener: Listener | None = None

    def start(self) -> Self:
        """Listen. Does nothing if it does already. Raises OSError if the port is taken."""
        with self._lock:
            if self._listener is None:
                self._listener = Listener(self._host, self._port, self._exchange, tls=self._tls)
                self._port = self._listener.server_port
        return self

    def stop(self) -> None:
        """Close every connection, also those whose reply hangs, and end all threads, in less than half a second.

        Does nothing if it does not listen. A later `start` takes the same port and goes on with the same ledger.
        """
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        if not self._port:
            raise ConfigError("the provider has no address before start(); use it in a with block")
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def openai_url(self) -> str:
        """What the `openai` package takes as `base_url`."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What the `anthropic` package takes as `base_url`; the version comes after it."""
        return f"{self.url}/anthropic"

    @property
    def gemini_url(self) -> str:
        """What the `google-genai` package takes as `base_url` in its `http_options`; the version comes after it."""
        return f"{self.url}/gemini"

    @property
    def mistral_url(self) -> str:
        """What the `mistralai` package takes as `server_url`; the version comes after it."""
        return f"{self.url}/mistral"

    @property
    def cohere_url(self) -> str:
        """What the `cohere` package takes as `base_url`; the version comes after it."""
        return f"{self.url}/cohere"

    @property
    def bedrock_url(self) -> str:
        """What `boto3` takes as `endpoint_url` for `bedrock-runtime`."""
        return f"{self.url}/bedrock"

    @property
    def aws_secret_key(self) -> str:
        """The secret of every AWS access key, for requests to Bedrock that are signed."""
        return SECRET_KEY

    def use_script(self, script: ScriptSource) -> None:
        """Put `script` in the place of the one before, for requests from now on."""
        self._desk.script = Script(script)

    def down(self, how: Outage = "close") -> None:
        """Begin an outage: "refuse" connections, "close" them without a word, or answer "503".

        The first two cut open connections at once. What they turn away is not in the ledger; a "503" is.
        """
        self._outage = how
        if how == "refuse":
            self.stop()
        elif how == "close":
            with self._lock:
                if self._listener is not None:
                    self._listener.turns_away = True
                    self._listener.drop_connections()

    def up(self) -> None:
        """End the outage."""
        self._outage = None
        self.start()
        with self._lock:
            if self._listener is not None:
                self._listener.turns_away = False

    @property
    def ledger(self) -> list[RequestRecord]:
        """Every request so far in order of sequence numbers, those being answered included; a list of its own."""
        return self._ledger.snapshot()

    def requests(self, path: str | None = None) -> list[RequestRecord]:
        """The ledger, or its records of one path such as "/v1/chat/completions"."""
        return [record for record in self.ledger if path in (None, record.path)]

    def answered(self) -> list[RequestRecord]:
        """The records whose whole reply with status 200 went out."""
        return [record for record in self.ledger if record.answered]

    def busiest(self, window_s: float = 60.0) -> int:
        """The largest number of requests that arrived within any `window_s` seconds. Exact."""
        return busiest(self.ledger, window_s=window_s)

    def busiest_tokens(self, window_s: float = 60.0) -> int:
        """The same for tokens: prompt and completion, counted when the request arrived."""
        return busiest(
            self.ledger, window_s=window_s, weight=lambda record: record.prompt_tokens + record.completion_tokens
        )

    @property
    def peak_in_flight(self) -> int:
        """The largest number of requests that were being answered at the same time."""
        return self._ledger.peak_in_flight

    def _exchange(self, incoming: Incoming, client_port: int) -> _Exchange | None:
        outage = self._outage
        if outage == "close":
            return None
        record, in_flight = self._ledger.open(
            lambda sequence: RequestRecord(
                sequence=sequence,
                arrived=incoming.arrived,
                method=incoming.method,
                path=incoming.path,
                headers=MappingProxyType(incoming.headers),
                key=presented_key(incoming.headers),
                body=incoming.body,
                client_port=client_port,
            )
        )
        try:
            verdict = self._desk.unavailable(incoming) if outage else self._desk.decide(incoming, record, in_flight)
        except BaseException:
            self._ledger.close(record, status=None, complete=False)
            raise
        return _Exchange(self._ledger, record, verdict)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Reports to the ledger what became of a request."""

    ledger: Ledger
    record: RequestRecord
    verdict: Verdict

    @property
    def outgoing(self) -> Outgoing:
        return self.verdict.outgoing

    def finish(self, *, status: int | None, complete: bool) -> None:
        verdict = self.verdict
        self.ledger.close(
            self.record,
            status=status,
            complete=complete,
            prompt_tokens=verdict.prompt_tokens,
            completion_tokens=verdict.completion_tokens,
            charged_tokens=verdict.charged_tokens,
        )


def _tls_context(
    certfile: str | os.PathLike[str] | None, keyfile: str | os.PathLike[str] | None
) -> ssl.SSLContext | None:
    if certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context


def serve(
    port: int = 8089,
    host: str = "127.0.0.1",
    *,
    on_ready: Callable[[str], None] = lambda _url: None,
    **options: object,
) -> None:
    """Run a `FakeProvider` with these `options` until an exception ends it, such as KeyboardInterrupt.

    `on_ready` is called once with the provider's URL. Prints nothing. The exception travels on after the provider has
    stopped; for SIGTERM, let a signal handler raise SystemExit.
    """
    with FakeProvider(port=port, host=host, **options) as provider:  # type: ignore[arg-type]  # the same parameters
        on_ready(provider.url)
        threading.Event().wait()

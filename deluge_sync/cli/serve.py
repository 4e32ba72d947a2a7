"""`deluge-sync serve`: the embedded provider as a server, to try this package or any OpenAI client without a key."""

from __future__ import annotations

from typing import Any

import click

from deluge_sync.cli.exits import BadInputError, Voice
from deluge_sync.cli.options import MANNERS, voice_of, with_options

__all__ = ["command"]

_READY = """\
serving {url}/v1 until Ctrl-C
  with this package:      deluge-sync run prompts.jsonl -o results.jsonl --base-url {url}/v1
  with OpenAI's package:  export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=any"""


@click.command("serve", short_help="run the embedded provider, to try clients against it")
@click.option("--port", type=click.IntRange(0, 65_535), default=8089, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; it protects nothing.")
@click.option("--rpm", type=click.IntRange(min=1), metavar="N", help="Requests a minute that it allows.")
@click.option("--tpm", type=click.IntRange(min=1), metavar="N", help="Tokens a minute that it allows.")
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Before every answer.")
@with_options(MANNERS)
def command(port: int, host: str, rpm: int | None, tpm: int | None, latency: float, **manners: Any) -> None:
    """Run the embedded provider: it speaks OpenAI chat completions, invents its answers and takes any key.

    Standard output gets its address once it listens, so that a script can wait for it.

    \b
    Examples:
      deluge-sync serve --port 8089 --rpm 600 --latency 0.5
      deluge-sync serve --port 0 --json
    """
    voice = voice_of(manners)
    from deluge_sync.testing import serve  # loads the typed SDK, which --help needs not

    try:
        serve(
            port,
            host,
            on_ready=lambda url: _tell(url, voice),
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            latency_s=latency,
        )
    except OSError as error:
        raise BadInputError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        return  # Ctrl-C and SIGTERM are how it is meant to end


def _tell(url: str, voice: Voice) -> None:
    if voice.is_json:
        voice.document({"url": url, "openai_url": f"{url}/v1"})
    elif not voice.is_quiet:
        click.echo(_READY.format(url=url))

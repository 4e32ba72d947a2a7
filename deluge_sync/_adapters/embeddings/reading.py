"""From a reply to the numbers of each text. A number that is none is the trouble of its text alone; the rest was paid.

Numbers are kept as arrays of 32-bit floats: that is what they are on the wire, and an eighth of a list of them.
"""

from __future__ import annotations

import base64
import sys
from array import array
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from deluge_sync._adapters.call import ModelReply
from deluge_sync._adapters.classify import classify_reply
from deluge_sync._adapters.embeddings.inputs import texts_of
from deluge_sync._adapters.failure import Failure, FailureKind
from deluge_sync._adapters.reading import at_least_0, parse_mended
from deluge_sync.errors import ReplyFormatError
from deluge_sync.prompt import Message
from deluge_sync.response import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from deluge_sync._adapters.call import Call
    from deluge_sync._http import HttpReply
    from deluge_sync.sdk._base import Endpoint

__all__ = ["NUMBERS", "from_base64", "input_usage", "listed", "read_reply"]

NUMBERS: Final = "numbers"
"""Where a reply's `raw` has them: a list with an array of floats for each text, or None where they are unusable."""

Code = Literal["f", "b"]


class Listed(Protocol):
    """One entry of a reply in OpenAI's form."""

    @property
    def index(self) -> int | None: ...
    @property
    def embedding(self) -> list[float] | str: ...


def read_reply(
    call: Call,
    reply: HttpReply,
    endpoint: Endpoint[Any, Any, Any],
    read: Callable[[Any], tuple[Iterable[tuple[int, Any]], Usage | None]],
) -> ModelReply | Failure:
    """The numbers in a complete reply, or why there are none.

    `read` gives the place of each text with its numbers (a list, an array or None), and what they cost, from the typed
    reply; it may raise ReplyFormatError. A reply that does not have just one for each text is a failure that was paid.
    """
    provider = call.model.provider
    if not 200 <= reply.status < 300:
        return classify_reply(reply, provider=provider)
    try:
        document = parse_mended(endpoint, reply.body)
        placed, usage = read(document)
        found = dict(placed)
    except ReplyFormatError:
        return classify_reply(reply, provider=provider)
    flaw = _flaw(found, len(texts_of(call)))
    numbers = [] if flaw else [_usable(found[place]) for place in range(len(found))]
    return ModelReply(
        content=Message("assistant"),
        usage=usage,
        finish_reason="stop",
        model_external=getattr(document, "model", None),
        response_id=getattr(document, "id", None),
        failure=Failure(FailureKind.MALFORMED, flaw, 200) if flaw else None,
        raw={NUMBERS: numbers},
    )


def from_base64(text: str, code: Code = "f") -> array[float] | None:
    """The floats in base64 of little-endian numbers: of 32 bits ("f") or signed bytes ("b"). None: it is none of these.

    A quarter of the bytes of numbers written out, and a third of the time to read them.
    """
    try:
        numbers: array[Any] = array(code, base64.b64decode(text, validate=True))
    except ValueError:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers if code == "f" else array("f", numbers)


def listed(data: Iterable[Listed], code: Code = "f") -> Iterator[tuple[int, Any]]:
    """Place and numbers of each entry in OpenAI's list, which others write too. Base64 is of what `code` says."""
    for place, each in enumerate(data):
        numbers = from_base64(each.embedding, code) if isinstance(each.embedding, str) else each.embedding
        yield place if each.index is None else each.index, numbers


def input_usage(tokens: float | None) -> Usage | None:
    """What was read. Nothing is written, so nothing else is counted; None where the provider does not tell."""
    return None if tokens is None else Usage(at_least_0(tokens), 0)


def _flaw(found: dict[int, Any], wanted: int) -> str | None:
    if found.keys() == set(range(wanted)):
        return None
    return f"the reply has numbers for {len(found)} of {wanted} texts, or for others"


def _usable(given: Sequence[float] | array[float] | None) -> array[float] | None:
    """As an array; None where there are no numbers, or some that are not finite."""
    if not given:
        return None
    numbers = given if isinstance(given, array) else array("f", given)
    return numbers if isfinite(sum(numbers)) else None

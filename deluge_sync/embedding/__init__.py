"""Texts into numbers, beyond one request: which texts go together, what is known already, what the user is given.

    result  (Embeddings, Ranking)     what a call gives, with what it cost and what failed
    batches (cut, Bisection)          which texts go into one request, and what is sent again in smaller ones: pure
    stored  (StoredNumbers)           the numbers of each text in the user's cache of answers

`client.embeddings` makes the calls and `client.numbers` carries them out; a format is an adapter in
`_adapters.embeddings`. Nothing here sends or waits.
"""

from deluge_sync._adapters.embeddings.inputs import INPUT_TYPES, InputType
from deluge_sync.embedding.result import ON_ERROR, Embeddings, OnError, Ranked, Ranking, TextError

__all__ = ["INPUT_TYPES", "ON_ERROR", "Embeddings", "InputType", "OnError", "Ranked", "Ranking", "TextError"]

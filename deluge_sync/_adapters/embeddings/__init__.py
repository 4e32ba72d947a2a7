"""Texts into numbers: vectors (embeddings) and scores (reranking). One module a format, beside those for chat.

    inputs   what is asked: the texts of a call, the query, what is wished of the vectors
    reading  from a reply to one array of numbers for each text, in the texts' order
    openai | mistral | gemini | cohere | perplexity | rerank   build_request, parse_reply and LIMITS of one format

They are adapters as those for chat are, so the engine sends, limits and retries their requests as it does all others;
nothing is streamed, so none has `open_stream`. What comes out is a `ModelReply` whose `raw` has the numbers under
`NUMBERS`. Which texts go together, and what is kept of the numbers, is not decided here.
"""

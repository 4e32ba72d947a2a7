"""Typed SDKs of the providers, one package each. Public: an endpoint can be called directly, without an `LLMClient`.

    from deluge_sync.sdk import openai

    reply = openai.api().call(openai.create_chat_completion, openai.ChatCompletionRequest(model=..., messages=[...]))

A provider's package is generated from `schemas/` and loads when it is imported; this module imports none of them.
There is no retry, no limit and no cache here: that is `LLMClient`'s work, whose adapters speak the same models.
"""

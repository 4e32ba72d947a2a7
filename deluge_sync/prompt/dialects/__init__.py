"""One module per format a conversation is written in: the providers' wire formats, and our own for storage.

A dialect turns messages into plain dicts and lists and back. It validates no schema (the generated models do) and
reads no file and no URL. `Conversation` and the adapters call it.
"""

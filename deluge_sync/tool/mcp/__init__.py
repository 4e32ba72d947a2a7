"""MCP: tools that run in another process, or at another host.

    config (how a server is reached) < server (`MCPServer`, a server as a call names it)
    replacing (servers in a list of tools) > tools (connect, make a `Tool` of each) > naming
                                             > remote (the function behind a tool) > results
    registry (who holds which connection) > thread (the event loop)
                                          > connection (opened, shared, opened again) > session (one, by the package)
    session > stdio, http (streams of messages) > lines, notes; elicitation

What the event loop does is async, and only `registry` crosses over to it. The official `mcp` package speaks the
protocol; it is an extra, loaded with the first connection (`package`). Source: https://modelcontextprotocol.io
"""

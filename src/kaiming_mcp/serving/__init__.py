"""The two transports: stdio for one person, streamable HTTP for a team."""

REFUSED = -32010
"""Of the codes that JSON-RPC leaves to servers, one that neither MCP nor its SDKs use: nothing was done."""

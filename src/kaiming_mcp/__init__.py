"""kaiming-mcp: Kaiming He's thinking style as MCP tools, grounded in computed facts."""

__version__ = "0.1.0"

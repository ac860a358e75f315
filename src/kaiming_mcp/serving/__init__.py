"""The two transports: stdio for one person, streamable HTTP for a team."""

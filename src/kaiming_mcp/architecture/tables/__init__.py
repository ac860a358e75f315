"""Summary tables of a network, one reader per tool."""

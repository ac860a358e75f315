"""Reads the source of a network by following its values, never by running it."""

"""Hugging Face config.json files, read: one module for each kind of family."""

"""A task in words: its references, when they hurt, and the shares that stated numbers give by closed form."""

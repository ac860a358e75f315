"""The critique of a network: what was read and computed, what is wrong with it, what to remove first."""

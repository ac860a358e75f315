"""The initialization of one layer, derived: std and bound, both directions, what holds and what does not."""

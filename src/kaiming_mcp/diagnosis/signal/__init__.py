"""The signal of a network as a report: places that matter, depth scales, theory beside simulation."""

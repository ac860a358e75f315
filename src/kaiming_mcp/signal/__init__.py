"""Signal propagation at initialization: second moments, correlations and gradients, in logs."""

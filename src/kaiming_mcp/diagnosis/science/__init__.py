"""A problem of another science as machine learning: samples, groups, symmetry, units, noise floor, baseline."""

"""A residual block: what stands on the skip, what the branch adds, how both go over depth."""

"""Ids of the principles that the rules cite."""

INIT = "activation-aware-initialization"
RESIDUAL = "residual-learning"
SIMPLE = "simplicity-in-complexity"
GENERATIVE = "generative-models-as-universal-solvers"
SCIENCE = "ai-as-a-common-language"

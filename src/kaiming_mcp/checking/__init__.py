"""What a model filled into a scaffold, held against the facts, the library and the form; never against a style."""

"""What a network is: the tree of operations, one reader per input format, the parameter account."""

"""What pasted columns measure: the share that a reference leaves, with its error, and what follows."""

"""What can be removed? The inventory of a method, what its ablations show, and what it costs to find out."""

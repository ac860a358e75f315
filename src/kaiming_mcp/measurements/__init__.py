"""What a person measured: numbers of a run, read from whatever they paste, with what their printing allows."""

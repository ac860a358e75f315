"""What happens to a text between its source and the argument: noise, and several parts in one paste."""

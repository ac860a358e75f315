"""Is a task generative? Read what the user said, decide what it decides, name what must be measured."""

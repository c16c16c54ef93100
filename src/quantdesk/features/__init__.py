"""Numbers from the past, and about the future, for a model to learn from."""

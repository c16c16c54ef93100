"""Nouns, ports and errors: what every room shares, resting on numpy alone."""

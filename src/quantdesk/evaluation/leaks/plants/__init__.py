"""Leaks planted on purpose, each beside a twin that does the same thing rightly."""

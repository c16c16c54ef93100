"""Checks that find what a strategy knew too early, and a corpus of planted leaks that holds the checks to it."""

"""Get bars, judge their quality, and keep them with the time they became known."""

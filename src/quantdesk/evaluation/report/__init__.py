"""The report: one page a person would rather look at than read."""

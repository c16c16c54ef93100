"""What the quality gate found, as a page of pictures."""

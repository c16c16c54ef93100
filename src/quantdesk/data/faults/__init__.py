"""Ways in which bars are wrong, one file a family; each looks at a panel and marks what it finds."""

"""Signal rules: from a forecast to how strongly to lean, one file each."""

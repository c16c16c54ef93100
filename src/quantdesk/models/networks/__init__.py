"""Networks: one file each, its choices and its module."""

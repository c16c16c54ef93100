"""Fills become cash, positions and net asset value: an append-only journal and the sums over it."""

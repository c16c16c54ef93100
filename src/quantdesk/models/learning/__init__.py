"""How networks learn: windows, losses, the one loop, and what is kept of it."""

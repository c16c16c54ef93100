"""Targets become orders, orders become fills: sizing to units, costs, the simulated broker, the fast path."""

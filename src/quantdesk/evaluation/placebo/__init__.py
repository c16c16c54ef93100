"""Worlds where there is nothing to earn: twins of the market, permuted labels, shuffled decisions."""

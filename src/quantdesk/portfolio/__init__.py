"""From a signal to the portfolio wanted: sizing and limits."""

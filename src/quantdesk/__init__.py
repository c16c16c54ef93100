"""A machine-learning trading desk for one person, and the evidence that its answers are worth money."""

__version__ = "0.1.0"

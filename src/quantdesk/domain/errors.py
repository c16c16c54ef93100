"""The errors of the desk: what was wrong, what was expected, what to do."""


class DeskError(Exception):
    """Say what went wrong in three parts, so that the reader knows the next step.

    Parameters
    ----------
    what : str
        The thing, its value and its time, as found.
    expected : str
        What would have been right.
    action : str
        What the reader can do now.
    """

    def __init__(self, what: str, expected: str, action: str) -> None:
        super().__init__(what, expected, action)
        self.what = what
        self.expected = expected
        self.action = action

    def __str__(self) -> str:
        return f"{self.what}\n  expected: {self.expected}\n  do: {self.action}"


class DataError(DeskError):
    """Refuse data that is impossible, missing or not where it was said to be."""


class StrategyError(DeskError):
    """Refuse a strategy that cannot be loaded, or that failed while deciding."""


class SettingsError(DeskError):
    """Refuse a key, path or limit that cannot be used."""


class LedgerError(DeskError):
    """Refuse a journal that was altered, or an entry that does not fit it."""


class ComputeError(DeskError):
    """Refuse work that cannot be done where it was sent, or that ends every process it is given to."""

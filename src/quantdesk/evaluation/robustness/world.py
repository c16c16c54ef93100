"""Trade variations of given targets through the fast path, in one market prepared once."""

from dataclasses import dataclass

import numpy as np

from quantdesk.domain.arrays import Float64
from quantdesk.evaluation.backtest import Setting
from quantdesk.evaluation.outcome import Track
from quantdesk.evaluation.scores import performance
from quantdesk.execution.costs import Market, Rates
from quantdesk.execution.kernel import Halt, simulate


@dataclass(frozen=True, eq=False)
class World:
    """Hold a setting and its market.

    Parameters
    ----------
    setting : Setting
        Where and how the backtest ran.
    market : Market
        From the first bar traded on.
    """

    setting: Setting
    market: Market

    @classmethod
    def of(cls, setting: Setting) -> "World":
        """Prepare the market of a setting."""
        return cls(setting, setting.market)

    @property
    def rates(self) -> Rates:
        """Return the setting's costs as fractions."""
        return self.setting.costs.rates

    def track(self, targets: Float64, capital: float | None = None, begin: int = 0) -> Track:
        """Trade targets, as ``evaluation.backtest`` does.

        Parameters
        ----------
        targets : Float64
            Weights (n_times, n_instruments), limits applied; NaN leaves a position.
        capital : float, optional
            Account currency; the setting's by default.
        begin : int
            First row traded; those before are left out.
        """
        setting = self.setting
        halt = Halt(setting.limits.drawdown, setting.limits.cooldown_bars)
        money = setting.capital if capital is None else capital
        path = simulate(targets[begin:], self.market.since(begin), self.rates, halt, money)
        with np.errstate(invalid="ignore", divide="ignore"):
            turnover = np.where(path.equity > 0, path.traded / path.equity, 0.0)
        times = setting.panel.times[setting.start + begin :]
        return Track(times, path.equity, path.gross_exposure, path.net_exposure, turnover, path.costs)

    def sharpe(self, targets: Float64, capital: float | None = None, begin: int = 0) -> float:
        """Give the annual net Sharpe ratio of targets."""
        return performance(self.track(targets, capital, begin)).sharpe

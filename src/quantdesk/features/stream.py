"""Compute features bar by bar: each new bar costs the same, however long the history."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from quantdesk.domain.arrays import Bools, Float32, Float64, Times
from quantdesk.domain.bars import Bars
from quantdesk.domain.errors import StrategyError
from quantdesk.domain.feature import Feature
from quantdesk.domain.panel import Panel
from quantdesk.features.evaluate import Formula, compare, compared, inputs_of, plan
from quantdesk.features.sessions import RECENT, sessions_in
from quantdesk.features.surroundings import sectors


class FeatureStream:
    """Hold what the next bar needs of the past; it pickles, and goes on from there to the same bits.

    Parameters
    ----------
    features : sequence of Feature
        Features written as formulas, of price and volume.
    panel : Panel
        The history to begin from. With as many bars as the longest lookback, every value is the
        batch's to rounding; with the whole history it is the batch's to the last bit.

    Raises
    ------
    StrategyError
        If a feature is no formula.
    """

    def __init__(self, features: Sequence[Feature], panel: Panel) -> None:
        self.names = tuple(feature.name for feature in features)
        self.symbols = panel.symbols
        columns = []
        for feature in features:
            if not isinstance(feature.compute, Formula):
                raise StrategyError(
                    f"feature {feature.name!r} cannot be computed bar by bar",
                    "a formula of prices and volumes",
                    "leave it out, or compute it on a panel",
                )
            columns.append(feature.compute.column)
        self._plan = plan((), tuple(columns), 1)
        self._memories = [program.memory(len(self.symbols)) for program in self._plan.programs]
        self._growth = np.ones(len(self.symbols))
        self._reinvested = np.ones(len(self.symbols))
        self._last = self._raw = np.full(len(self.symbols), np.nan)
        self._clock = 0
        self._has_sessions = any("session" in feature.needs for feature in features)
        self._times: Times = panel.times[:0]
        for row in range(len(panel.times)):
            self.advance(panel.rows(row, row + 1))

    def advance(self, bar: Panel) -> Float64:
        """Take one more bar and return its features (n_instruments, n_features).

        Parameters
        ----------
        bar : Panel
            One row of raw prices and events, of the same instruments.

        Raises
        ------
        StrategyError
            If the instruments are others, or it is not one row.
        """
        if (bar.symbols is not self.symbols and bar.symbols != self.symbols) or len(bar.times) != 1:
            raise StrategyError(
                f"a bar of {len(bar.times)} rows and {len(bar.symbols)} instruments at {bar.now}",
                f"one row of the {len(self.symbols)} instruments it began with",
                "give the panel's last row",
            )
        bars = self._adjusted(bar)
        known: dict[int, Float64] = {}
        none: Float32 = np.empty((1, len(self.symbols), 0), np.float32)
        for stage, (program, memory) in enumerate(zip(self._plan.programs, self._memories, strict=True)):
            out = np.empty((program.n_columns, 1, len(self.symbols)))
            program.run(np.stack(inputs_of(program, bars, known)), memory, self._clock, none, out, 0, 0)
            if stage < len(self._plan.compared):
                compare(self._plan.compared[stage], out)
                known |= compared(self._plan.compared[stage], out)
        self._clock += 1
        return out[:, 0, :].T

    def _adjusted(self, bar: Panel) -> Bars:
        # As ``Bars.of`` does, one row at a time and in the same order of arithmetic.
        close = bar.fields["close"]
        is_traded: Bools = np.isfinite(close)
        self._follow_events(bar, close[0])
        index = self._growth * self._reinvested
        self._last = np.where(is_traded[0], close[0] * index, self._last)
        bars = Bars(
            times=bar.times,
            open=bar.get("open") * index,
            high=bar.get("high") * index,
            low=bar.get("low") * index,
            close=self._last[None],
            volume=bar.get("volume") / self._growth,
            returns=np.full(close.shape, np.nan),
            is_traded=is_traded,
            fields=frozenset(bar.fields),
        )
        return replace(bars, facts={**sectors(bar), **self._sessions(bar)})

    def _sessions(self, bar: Panel) -> dict[str, Float64]:
        if not self._has_sessions:
            return {}
        self._times = np.concatenate([self._times, bar.times])[-RECENT:]
        return {name: np.broadcast_to(values[-1:], bar.shape) for name, values in sessions_in(self._times).items()}

    def _follow_events(self, bar: Panel, close: Float64) -> None:
        if "split" in bar.fields:
            ratio = bar.fields["split"][0]
            self._growth = self._growth * np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)
        if "dividend" not in bar.fields:
            return
        self._raw = np.where(np.isfinite(close), close, self._raw)
        if self._clock == 0:
            return
        paid = np.nan_to_num(bar.fields["dividend"][0])
        with np.errstate(invalid="ignore", divide="ignore"):
            is_priced = np.isfinite(self._raw) & (self._raw > 0)
            self._reinvested = self._reinvested * np.where(is_priced, 1.0 + paid / self._raw, 1.0)

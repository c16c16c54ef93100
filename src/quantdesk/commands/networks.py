"""Commands about learning itself: which loss is worth reaching."""

from typing import Annotated

import typer

from quantdesk.commands.opening import Data, Json, load, print_json, settings


def target_loss(
    strategy: Annotated[str, typer.Argument(help="Whose horizons and features; see `desk strategies`.")] = "linear",
    data: Data = "sample",
    as_json: Json = False,
) -> None:
    """Say which training loss each skill means on this data, and which one models without any have.

    MSE is in the units of training (volatilities expected over the horizon, relative to the other instruments of the
    time), and in log return; Huber, by which networks learn unless told otherwise, in the units of training, for the
    forecasts that are known. The report of an evaluation shows the validation loss of each fold: a network whose loss
    is not below that of `zero` under the same loss, averaged over the horizons, has learned nothing.
    """
    from quantdesk.console import show_table
    from quantdesk.models.target import target_loss as losses
    from quantdesk.strategy import load as load_strategy

    rows = losses(load_strategy(strategy, settings().home).dataset(load(data)))
    if as_json:
        print_json([vars(row) for row in rows])
        return
    shown = [
        (
            str(row.horizon),
            row.forecast,
            f"{100 * row.r2:.4f} %",
            f"{row.mse:.6f}",
            f"{row.mse_return:.3e}",
            "" if row.huber is None else f"{row.huber:.6f}",
        )
        for row in rows
    ]
    header = ("bars", "forecast", "R2", "MSE, standardised", "MSE, log return", "Huber, standardised")
    show_table(f"the loss of a forecast of {data}", header, shown, numbers=(0, 2, 3, 4, 5))

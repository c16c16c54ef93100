"""Train and feed other packages' networks, in their own environment; called by training.py."""

import json
import logging
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import torch

N_SERIES, N_TIMES, LOOKBACK, N_FEATURES = 32, 400, 60, 32


def table() -> Any:
    """Draw series with exogenous features, one row a series and time."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        random.standard_normal((N_SERIES * N_TIMES, N_FEATURES)).astype(np.float32),
        columns=["y", *(f"x{i}" for i in range(1, N_FEATURES))],
    )
    rows["unique_id"] = np.repeat([f"s{i}" for i in range(N_SERIES)], N_TIMES)
    rows["time"] = np.tile(np.arange(N_TIMES), N_SERIES)
    rows["ds"] = np.tile(pd.date_range("2020-01-01", periods=N_TIMES), N_SERIES)
    return rows


def neuralforecast(name: str) -> float:
    """Measure windows a second, of the processor: what more steps take beyond fewer, so that starting does not count."""
    from neuralforecast import NeuralForecast
    from neuralforecast import models as made

    rows = table().drop(columns="time")
    names = [f"x{i}" for i in range(1, N_FEATURES)]
    chosen: dict[str, Any] = (
        {"hist_exog_list": names, "encoder_hidden_size": 64} if name == "LSTM" else {}
    )  # PatchTST knows no exogenous features.
    per_step, few, many = (128, 3, 35) if name == "LSTM" else (1024, 1, 5)

    def seconds(n_steps: int) -> float:
        model = getattr(made, name)(
            h=1, input_size=LOOKBACK, max_steps=n_steps, accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False, **chosen,
        )  # fmt: skip
        began = time.process_time()
        NeuralForecast([model], freq="D").fit(rows if name == "LSTM" else rows[["unique_id", "ds", "y"]])
        return time.process_time() - began

    seconds(1)
    return (many - few) * per_step / (seconds(many) - seconds(few))


def feeding() -> float:
    """Measure the windows a second, of the processor, that pytorch-forecasting's data set hands over."""
    from pytorch_forecasting import TimeSeriesDataSet

    names = ["y", *(f"x{i}" for i in range(1, N_FEATURES))]
    data = TimeSeriesDataSet(
        table().drop(columns="ds"), time_idx="time", target="y", group_ids=["unique_id"], max_encoder_length=LOOKBACK,
        max_prediction_length=1, time_varying_unknown_reals=names,
    )  # fmt: skip
    loader = data.to_dataloader(train=True, batch_size=1024, num_workers=0)
    began, n = time.process_time(), 0
    for inputs, _ in loader:
        n += len(inputs["encoder_cont"])
        if n >= 4096:
            break
    return n / (time.process_time() - began)


def main() -> None:
    """Print one JSON value."""
    warnings.filterwarnings("ignore")
    for name in ("lightning", "pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    what = sys.argv[1]
    print(json.dumps(feeding() if what == "feeding" else neuralforecast(what)))


if __name__ == "__main__":
    main()

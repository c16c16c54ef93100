"""Write a trained network as one ONNX file, for machines without torch."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from quantdesk.models.learning.forecaster import DeepForecaster

OPSET = 20
"""Version of the operators; ONNX Runtime 1.17 and later know it."""

_OF_TORCH = (
    (FutureWarning, r"_check_is_size will be removed"),
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (UserWarning, r"The tensor attributes? .* assigned during export"),
)
"""What torch's exporter says of its own code, about which nobody who exports can do anything."""


def export(forecaster: "DeepForecaster", path: Path) -> None:
    """Write the scaling, the network and the reading of its outputs as one graph.

    Its input ``windows`` (n, lookback, n_features) float32 holds features as they are, missing values NaN; its output
    ``quantiles`` (n, n_horizons, n_levels) never decreases along the last axis, in units of the volatility
    expected over each horizon. For a network that reads the instruments of one time together, n are the
    instruments of one time.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    import torch

    n_features = len(forecaster.scaler.centre)
    example = torch.zeros(3, forecaster.lookback, n_features)
    with _quiet():
        program = torch.onnx.export(
            reading(forecaster).float(),
            (example,),
            input_names=["windows"],
            output_names=["quantiles"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=1 << 20)},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "the exporter gives a program unless it is told to write a file"
    program.save(path)


@contextmanager
def _quiet() -> Iterator[None]:
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    registration.addFilter(_is_news)
    try:
        with warnings.catch_warnings():
            for category, message in _OF_TORCH:
                warnings.filterwarnings("ignore", message, category)
            yield
    finally:
        registration.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("torchvision is not installed")


def reading(forecaster: "DeepForecaster") -> "nn.Module":
    """Make the module that is exported, in double precision: from raw windows to standardised quantiles."""
    import torch
    from torch import Tensor, nn

    class Reading(nn.Module):
        residuals: Tensor

        def __init__(self) -> None:
            super().__init__()
            # Its own module is shared with all that ask it; a change of precision must not reach them.
            self.scaled = copy.deepcopy(forecaster.module)
            self.register_buffer("residuals", torch.from_numpy(forecaster.residuals))

        def forward(self, windows: Tensor) -> Tensor:
            said = forecaster.loss.quantiles(self.scaled(windows)) + self.residuals
            return torch.sort(said, dim=-1).values

    return Reading().eval()

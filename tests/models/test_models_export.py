"""Exporting leaves a terminal clean."""

import logging
import warnings
from pathlib import Path

import pytest
from differing import signed

torch = pytest.importorskip("torch", reason="networks need the extra `deep`")
pytest.importorskip("onnxscript", reason="export needs the extra `deep`")

from quantdesk.models import export as exporting  # noqa: E402
from quantdesk.models.deep import Deep  # noqa: E402
from quantdesk.models.export import export  # noqa: E402
from quantdesk.models.networks.lstm import LSTM  # noqa: E402
from quantdesk.models.training import Training  # noqa: E402

REGISTRATION = "torch.onnx._internal.exporter._registration"


class Kept(logging.Handler):
    """Keep what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one more."""
        self.said.append(record.getMessage())


def test_an_export_warns_of_nothing_and_logs_nothing(tmp_path: Path) -> None:
    forecaster = Deep(LSTM(6, 4, 1), training=Training(epochs=1)).fit(signed(60, 3, seed=0), 0)
    logger, kept = logging.getLogger(REGISTRATION), Kept()
    logger.addHandler(kept)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            export(forecaster, tmp_path / "network.onnx")
    finally:
        logger.removeHandler(kept)
    assert [str(one.message) for one in warned] == []
    assert kept.said == []
    assert (tmp_path / "network.onnx").stat().st_size > 0


def test_only_what_torch_says_of_itself_is_left_out() -> None:
    with pytest.warns(UserWarning, match="of another kind"), exporting._quiet():
        warnings.warn("of another kind", UserWarning, stacklevel=1)
    assert not logging.getLogger(REGISTRATION).filters

"""Fixtures for every test; this folder is on the path, so that tests anywhere can import ``small_worlds``."""

from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more about what else runs on the machine.
settings.register_profile("desk", deadline=None)
settings.load_profile("desk")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the desk a home of its own."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.setenv("DESK_HOME", str(folder))
    return folder

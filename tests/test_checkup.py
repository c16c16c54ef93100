import subprocess
import sys
from pathlib import Path

import pytest

from quantdesk import checkup
from quantdesk.settings import Settings


def rows(home: Path) -> dict[str, checkup.Finding]:
    return {finding.what: finding for finding in checkup.examine(Settings(home=home))}


def test_what_is_not_installed_of_the_extras_is_told_with_its_command_and_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "_version", lambda package: {"ray": "2.52.0"}.get(package, ""))
    found = rows(tmp_path)
    assert found["clusters"].found == "ray 2.52.0"
    assert found["networks"].found == "no torch: pip install 'quantdesk[deep]'"
    assert found["networks"].is_well


def test_to_look_for_the_extras_imports_none_of_them(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from quantdesk import checkup; from quantdesk.settings import Settings;"
        "checkup.examine(Settings(home=Path(sys.argv[1]))); sys.exit(bool({'torch', 'ray'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0

"""Files that import one another, be it inside a function or for the type checker, are one file that was torn apart."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import quantdesk

LOWER = "import desk.rooms.upper\n"
CIRCLES = {
    "at the top": "from desk.rooms.lower import shout\n",
    "of the whole file": "from desk.rooms import lower\n",
    "inside a function": "def speak():\n    from desk.rooms.lower import shout\n",
    "for the type checker": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from desk.rooms.lower import Shout\n",
    "through a third file": "import desk.third\n",
}


def circle_in(package: Path) -> list[str]:
    """Follow imports from file to file until one comes again; empty where none does."""
    files = {_name(path, package): path for path in package.rglob("*.py")}
    graph = {name: {_file(found, files) for found in _imported(path)} - {name, ""} for name, path in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file(imported: str, files: dict[str, Path]) -> str:
    # `from a.b import c` names the file c of the folder b, or something in the file b.
    return next((name for name in (imported, imported.rpartition(".")[0]) if name in files), "")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by dots; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_files_import_one_another() -> None:
    assert circle_in(Path(quantdesk.__path__[0])) == []


@pytest.mark.parametrize("upper", CIRCLES.values(), ids=CIRCLES)
def test_a_circle_is_found_wherever_the_import_stands(upper: str, tmp_path: Path) -> None:
    room = tmp_path / "desk" / "rooms"
    room.mkdir(parents=True)
    (room / "lower.py").write_text(LOWER)
    (room / "upper.py").write_text(upper)
    (room.parent / "third.py").write_text("from desk.rooms.lower import shout\n")
    assert {"desk.rooms.lower", "desk.rooms.upper"} <= set(circle_in(room.parent))


def test_files_that_import_downward_only_have_no_circle(tmp_path: Path) -> None:
    package = tmp_path / "desk"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "top.py").write_text("import ast\nfrom desk.middle import one\nfrom desk import bottom\n")
    (package / "middle.py").write_text("import desk.bottom\n")
    (package / "bottom.py").write_text("import json\n")
    assert circle_in(package) == []

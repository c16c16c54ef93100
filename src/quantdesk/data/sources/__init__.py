"""Where panels and facts come from: one file a source, found by walking this folder."""

from importlib import import_module
from pkgutil import iter_modules


def discover() -> dict[str, type]:
    """Find the sources of bars: each module's own class with a ``fetch``, under the module's name."""
    return _own("fetch")


def discover_facts() -> dict[str, type]:
    """Find the sources of facts: each module's own class with a ``records``, under the module's name."""
    return _own("records")


def _own(method: str) -> dict[str, type]:
    found: dict[str, type] = {}
    for module in sorted(iter_modules(__path__), key=lambda entry: entry.name):
        path = f"{__name__}.{module.name}"
        for member in vars(import_module(path)).values():
            if isinstance(member, type) and member.__module__ == path and hasattr(member, method):
                found[module.name] = member
    return found

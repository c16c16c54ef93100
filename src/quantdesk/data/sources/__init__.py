"""Where panels come from: one file a source, found by walking this folder."""

from importlib import import_module
from pkgutil import iter_modules


def discover() -> dict[str, type]:
    """Find the sources: each module's own class with a ``fetch``, under the module's name."""
    found: dict[str, type] = {}
    for module in sorted(iter_modules(__path__), key=lambda entry: entry.name):
        path = f"{__name__}.{module.name}"
        for member in vars(import_module(path)).values():
            if isinstance(member, type) and member.__module__ == path and hasattr(member, "fetch"):
                found[module.name] = member
    return found

"""Which signal rules there are: every file of this folder that holds one."""

import dataclasses
from importlib import import_module
from pathlib import Path


def discover() -> dict[str, type]:
    """Map each file's name to the rule it holds.

    Returns
    -------
    dict of str to type
        Frozen dataclasses with a ``signal``, by file name, in alphabetical order.

    Examples
    --------
    >>> discover()["rank"].__name__
    'Rank'
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = import_module(f"{__package__}.{path.stem}")
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and _is_rule(kind):
                found[path.stem] = kind
    return found


def summary(kind: type) -> str:
    """Return the first line of a rule's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def parameters(kind: type) -> dict[str, str]:
    """Map each parameter to its default as text; ``required`` where it has none."""
    return {
        field.name: "required" if field.default is dataclasses.MISSING else repr(field.default)
        for field in dataclasses.fields(kind)
    }


def _is_rule(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and callable(getattr(kind, "signal", None))

"""Which models and networks there are: every file of these folders that holds one."""

import ast
import dataclasses
import re
from importlib import import_module
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Choice:
    """One choice of a network, as its file declares it.

    Parameters
    ----------
    name : str
        What it is called there.
    kind : str
        What may be chosen, as its docstring has it.
    default : str
        As it is written; ``required`` where there is none.
    meaning : str
        What its docstring says of it.
    """

    name: str
    kind: str
    default: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """What there is to know of a network before it is built.

    Parameters
    ----------
    name : str
        Its class.
    summary : str
        The first line of its docstring.
    module : str
        Where it is imported from.
    choices : tuple of Choice
        In the order in which they are written.
    """

    name: str
    summary: str
    module: str
    choices: tuple[Choice, ...]


def networks() -> dict[str, Listing]:
    """Map each network of ``models/networks`` to what its file says of it, in alphabetical order.

    The files are read and not imported, so that torch need not be there.

    Examples
    --------
    >>> networks()["DLinear"].choices[0]
    Choice(name='lookback', kind='int', default='60', meaning='Times in a window.')
    """
    found = {}
    for path in (Path(__file__).parent / "networks").glob("[!_]*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and _is_network(node):
                found[node.name] = _listing(node, f"{__package__}.networks.{path.stem}")
    return dict(sorted(found.items(), key=lambda named: named[0].lower()))


def discover() -> dict[str, type]:
    """Map each file's name to the model it holds.

    Returns
    -------
    dict of str to type
        Frozen dataclasses with a ``fit``, by file name, in alphabetical order.

    Examples
    --------
    >>> discover()["ridge"].__name__
    'Ridge'
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = import_module(f"{__package__}.{path.stem}")
        for kind in vars(module).values():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and _is_model(kind):
                found[path.stem] = kind
    return found


def summary(kind: type) -> str:
    """Return the first line of a model's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def hyperparameters(kind: type) -> dict[str, str]:
    """Map each hyperparameter to its default as text; ``required`` where it has none."""
    return {field.name: _default(field) for field in dataclasses.fields(kind)}


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return "required" if field.default_factory is dataclasses.MISSING else f"{getattr(field.default_factory, '__name__', '')}()"


def _is_model(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and callable(getattr(kind, "fit", None))


def _is_network(node: ast.ClassDef) -> bool:
    methods = {method.name for method in node.body if isinstance(method, ast.FunctionDef)}
    return not node.name.startswith("_") and bool(node.decorator_list) and "build" in methods


def _listing(node: ast.ClassDef, module: str) -> Listing:
    text = ast.get_docstring(node) or ""
    meanings = _meanings(text)
    choices = []
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
            name, default = ast.unparse(field.target), ast.unparse(field.value) if field.value else "required"
            kind, meaning = meanings.get(name, ("", ""))
            choices.append(Choice(name, kind, default, meaning))
    return Listing(node.name, text.partition("\n")[0], module, tuple(choices))


def _meanings(docstring: str) -> dict[str, tuple[str, str]]:
    # numpydoc: a name at the margin and its kind after " : ", what it means indented below.
    _, _, section = docstring.partition("Parameters\n----------\n")
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    entries = re.findall(r"^(\w+) : (.*)\n((?:[ ]+.*\n?)+)", section, flags=re.MULTILINE)
    return {name: (kind, " ".join(meaning.replace("``", "").split())) for name, kind, meaning in entries}

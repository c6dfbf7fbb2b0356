"""The package as a tree: modules, rooms, imports, functions. Reads the sources and imports nothing of them.

A room is a folder of the package. `ROOMS` lists the rooms from the lowest to the highest, and `arrows` gives
the imports between them, for a picture of the rooms and for the tests of their order.
"""

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "sklearn_mf"
ROOT = PACKAGE.name
ROOMS = (
    "utils",
    "ratings",
    "model",
    "retrieval",
    "solvers",
    "recommenders",
    "metrics",
    "reranking",
    "dummy",
    "model_selection",
    "inspection",
    "datasets",
)
# Rooms that need less than all the rooms below them.
NARROW = {"model_selection": {"utils", "ratings"}, "datasets": {"utils", "ratings"}}


class Module(NamedTuple):
    """A source file.

    Parameters
    ----------
    name : str
        Dotted name, as in an import.
    path : Path
        The file.
    text : str
        Its source.
    tree : ast.Module
        Its syntax tree.
    """

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """Folder inside the package; the name of the package for its own `__init__`."""
        return room_of(self.name)


class Import(NamedTuple):
    """One imported module or name.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    name : str or None
        The name imported from it; None for ``import module``.
    line : int
        Line number.
    at_start : bool
        Whether it runs when its module is imported; False inside a function and under `TYPE_CHECKING`.
    """

    module: str
    name: str | None
    line: int
    at_start: bool


def room_of(name: str) -> str:
    """Room of a dotted module name; that of the package for a file outside of the rooms."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else parts[0]


@functools.cache
def modules(package: Path = PACKAGE) -> tuple[Module, ...]:
    """All source files of the package."""
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        text = path.read_text(encoding="utf-8")
        found.append(Module(".".join(parts).removesuffix(".__init__"), path, text, ast.parse(text)))
    return tuple(found)


def imports(module: Module) -> Iterator[Import]:
    """All imports of a file, those inside functions too."""
    yield from _imports(module.tree, True, module)


def _imports(node: ast.AST, at_start: bool, module: Module) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, None, child.lineno, at_start) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            source = _absolute(child, module)
            yield from (Import(source, alias.name, child.lineno, at_start) for alias in child.names)
        else:
            yield from _imports(child, at_start and not _runs_later(child), module)


def _absolute(statement: ast.ImportFrom, module: Module) -> str:
    """Dotted name of the module that ``from ... import`` reads, also of a relative one."""
    if not statement.level:
        return statement.module or ""
    here = module.name.split(".") + ["__init__"] * (module.path.stem == "__init__")
    return ".".join(filter(None, [*here[: -statement.level], statement.module]))


def _runs_later(node: ast.AST) -> bool:
    """Whether what is inside a node does not run when the module is imported."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def targets(one: Import, names: set[str]) -> set[str]:
    """Modules of the package that an import reads: the module itself, or one imported by name."""
    inner = f"{one.module}.{one.name}"
    return {inner} if inner in names else {one.module} & names


def graph(package: Path = PACKAGE, at_start: bool = False) -> dict[str, set[str]]:
    """Modules of the package that each one imports; with `at_start` only where it runs on import."""
    names = {module.name for module in modules(package)}
    return {
        module.name: {
            target
            for one in imports(module)
            if one.at_start or not at_start
            for target in targets(one, names) - {module.name}
        }
        for module in modules(package)
    }


def arrows(package: Path = PACKAGE) -> dict[tuple[str, str], list[str]]:
    """Imports between rooms: (importing room, imported room) -> the importing modules."""
    found = defaultdict(list)
    for name, imported in graph(package).items():
        for room in sorted({room_of(target) for target in imported} - {room_of(name)}):
            found[room_of(name), room].append(name)
    return dict(sorted(found.items()))


def allowed(room: str) -> set[str]:
    """Rooms that a room may import."""
    if room == ROOT:
        return set(ROOMS)
    return NARROW.get(room) or set(ROOMS[: ROOMS.index(room)]) - {"datasets"}


def functions(module: Module) -> Iterator[tuple[str, int]]:
    """Each function and the number of lines of its body, without signature and docstring."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            yield f"{module.name}.{node.name}", lines


def docstrings(module: Module) -> set[int]:
    """Identity of the nodes that are docstrings."""
    owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {
        id(node.body[0].value)
        for node in ast.walk(module.tree)
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None
    }

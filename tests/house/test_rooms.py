"""The order of the rooms, read from the imports."""

import ast
import graphlib

import pytest

from tests.house.tree import PACKAGE, ROOMS, ROOT, allowed, arrows, graph, imports, modules, room_of

MODULES = modules()
COMPAT = f"{ROOT}.utils._sklearn_compat"


def test_every_room_is_known_and_no_private_module_stands_outside():
    top = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert {name for name in top if (PACKAGE / name).is_dir()} == set(ROOMS)
    assert len(ROOMS) <= 12
    assert [name for name in top if name.startswith("_") and name != "__init__.py"] == []


@pytest.mark.parametrize("room", [ROOT, *ROOMS])
def test_imports_only_go_to_lower_rooms(room):
    upwards = {
        pair: names for pair, names in arrows().items() if pair[0] == room and pair[1] not in allowed(room)
    }
    assert upwards == {}


def test_no_import_cycle():
    order = list(graphlib.TopologicalSorter(graph()).static_order())  # raises on a cycle
    assert len(order) == len(MODULES)


def test_only_solvers_import_tensorflow():
    found = {
        module.room
        for module in MODULES
        for one in imports(module)
        if one.module.split(".")[0] == "tensorflow"
    }
    assert found == {"solvers"}


def closure(name, edges):
    """Modules that importing one module imports, packages around them included."""
    seen, waiting = set(), {name}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        parents = {current.rsplit(".", 1)[0]} if "." in current else set()
        waiting |= (edges.get(current, set()) | parents) - seen
    return seen


def test_importing_a_room_does_not_import_tensorflow():
    edges = graph(at_start=True)
    heavy = {
        module.name
        for module in MODULES
        for one in imports(module)
        if one.at_start and one.module.split(".")[0] == "tensorflow"
    }
    assert heavy, "the solvers import TensorFlow"
    loads = {name: closure(name, edges) & heavy for name in edges if room_of(name) != "solvers"}
    assert {name: found for name, found in loads.items() if found} == {}


def is_private(one):
    parts = [*one.module.split("."), one.name or ""]
    return parts[0] == "sklearn" and any(part.startswith("_") and not part.startswith("__") for part in parts)


def test_private_names_of_scikit_learn_stand_in_one_module():
    users = {module.name for module in MODULES if any(map(is_private, imports(module)))}
    assert users <= {COMPAT}


# Methods that collections.namedtuple makes, which have an underscore so as not to clash with fields.
NAMED_TUPLE = {"_replace", "_asdict", "_fields", "_make"}


def own_names(module):
    """Private names that a module defines: functions, methods, classes, fields and attributes of self."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif is_attribute_of_self(node) and isinstance(node.ctx, ast.Store):
            yield node.attr


def is_attribute_of_self(node):
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"self", "cls"}
    )


def private_reads(module):
    """Private attributes of other objects, as ``x._name`` or ``getattr(x, "_name")``."""
    mine, imported = NAMED_TUPLE | set(own_names(module)), {one.module for one in imports(module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and not is_attribute_of_self(node):
            name = "" if ast.unparse(node.value) in imported else node.attr  # of a module, as sys._getframe
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"getattr", "hasattr", "setattr"}:
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            name = "" if ast.unparse(node.args[0]) in {"self", "cls"} else name
        else:
            continue
        if name.startswith("_") and not name.startswith("__") and name not in mine:
            yield f"{module.name}:{node.lineno} {name}"


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in ("recommenders", "utils")])
def test_no_other_room_reads_private_attributes_of_a_recommender(room):
    """The helpers in utils/ have no recommenders; they read a private setter of threadpoolctl."""
    assert [read for module in MODULES if module.room == room for read in private_reads(module)] == []


def test_every_folder_is_a_package_that_is_installed():
    """The build takes folders with an `__init__.py` alone."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
    assert (PACKAGE / "py.typed").exists()

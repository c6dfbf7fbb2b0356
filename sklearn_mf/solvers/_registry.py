"""The solvers by name: a new one is a folder and a line here. Imports no TensorFlow until one is loaded."""

import importlib
from typing import Any

from sklearn_mf.solvers._start import start_tensorflow
from sklearn_mf.solvers._training import Solver

#: Name -> module and class.
SOLVERS = {
    "sgd": ("sklearn_mf.solvers.sgd._solver", "SGD"),
    "als": ("sklearn_mf.solvers.als._solver", "ALS"),
    "variational": ("sklearn_mf.solvers.variational._solver", "Variational"),
    "gibbs": ("sklearn_mf.solvers.gibbs._chains", "GibbsChains"),
}


def load_solver(name: str) -> type[Solver[Any]]:
    """Start TensorFlow and import the class of a solver."""
    start_tensorflow()
    module, name_of_class = SOLVERS[name]
    solver: type[Solver[Any]] = getattr(importlib.import_module(module), name_of_class)
    return solver

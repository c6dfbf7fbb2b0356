"""Draws of a Bayesian recommender as an object of ArviZ, which is imported here alone."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.recommenders._catalog import column_names
from sklearn_mf.recommenders._chain_state import n_chains_of


def to_arviz(fitted: Any) -> Any:
    """Draws by chain, draw, and the ids of each field."""
    names = [str(name) for name in column_names(fitted)][: len(fitted.categories_)]
    coords: dict[str, NDArray[np.generic]] = dict(zip(names, fitted.categories_, strict=True))
    draws = {"noise_std": fitted.noise_std_samples_}
    dims: dict[str, list[str]] = {}
    groups: tuple[tuple[str, list[NDArray[np.float32]], list[str]], ...] = (
        ("embedding", fitted.embedding_samples_, ["dimension"]),
        ("bias", fitted.bias_samples_, []),
        ("noise_factor", fitted.noise_factor_samples_, []),
    )
    for label, fields, more in groups:
        for name, samples in zip(names, fields, strict=True):
            draws[f"{name}_{label}"], dims[f"{name}_{label}"] = samples, [name, *more]
    n_chains = n_chains_of(fitted)
    by_chain = {name: values.reshape(n_chains, -1, *values.shape[1:]) for name, values in draws.items()}
    arviz = _arviz()
    if arviz.__version__.startswith("0."):
        return arviz.from_dict(posterior=by_chain, coords=coords, dims=dims)
    return arviz.from_dict({"posterior": by_chain}, coords=coords, dims=dims)


def _arviz() -> ModuleType:
    try:
        return importlib.import_module("arviz")
    except ModuleNotFoundError as error:
        if error.name != "arviz":
            raise
        raise ModuleNotFoundError(
            "to_arviz needs ArviZ, which is not installed: run `pip install arviz`.", name="arviz"
        ) from None

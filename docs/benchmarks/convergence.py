"""J of both solvers run to convergence on ML-100K u1, and how far the other's lies above.

SKLEARN_MF_DATA=folder python docs/benchmarks/convergence.py
"""

import numpy as np
import pandas as pd
from data import OBSERVED, environment, ml_100k

from sklearn_mf import MFRecommender

CASES = {
    "ridge": {"alpha": 0.06},
    "ridge, no biases": {"alpha": 0.03, "fit_bias": False},
    "lasso": {"penalty": "l1", "alpha": 0.03},
    "elastic net": {"penalty": "elasticnet", "alpha": 0.04},
    "positive": {"positive": True, "alpha": 0.06},
}


def row(train: pd.DataFrame, name: str, parameters: dict[str, object]) -> dict[str, object]:
    """Fit with both solvers, until J falls by less than a hundred-thousandth a pass."""
    models = {
        solver: MFRecommender(
            8,
            solver=solver,
            max_iter=400,
            tol=1e-5,
            n_iter_no_change=5,
            random_state=0,
            **parameters,
            **OBSERVED,
        ).fit(train)
        for solver in ("sgd", "als")
    }
    losses = {solver: model.loss_curve_[-1] for solver, model in models.items()}
    rises = np.diff(models["als"].loss_curve_) / models["als"].loss_curve_[:-1]
    return {
        "penalty": name,
        **{f"J {solver}": loss for solver, loss in losses.items()},
        **{f"passes {solver}": model.n_iter_ for solver, model in models.items()},
        "als above sgd": losses["als"] / losses["sgd"] - 1,
        "largest rise of als": max(rises.max(), 0),
    }


if __name__ == "__main__":
    print(environment())
    train, _ = ml_100k()
    table = pd.DataFrame([row(train, name, parameters) for name, parameters in CASES.items()])
    print(table.to_string(index=False, float_format="{:.5f}".format))

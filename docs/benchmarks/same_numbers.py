"""Store the numbers of many small fits, or compare with stored ones: run before and after a change.

``python docs/benchmarks/same_numbers.py store FILE`` and ``... compare FILE``; FILE is an .npz archive. A fit
whose numbers keep their bits prints "same bits"; another one prints the relative change of J (or of the
log-likelihood) and the absolute change of the test RMSE.
"""

import argparse
import itertools
import os
import warnings
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from sklearn_mf import BayesianMFRecommender, MFEmbedding, MFRecommender

N_RATINGS, N_TEST = 3000, 1000
# The model of the observed ratings alone.
OBSERVED = {"unobserved_weight": 0, "prior_ratings": 0, "random_state": 0}


def ratings(n_fields: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n, n_fields), and ratings of rank 2 with biases and noise; some rows repeat."""
    rng, truth = np.random.default_rng(seed), np.random.default_rng(0)
    sizes = [120, 80, 7][:n_fields]
    X = np.stack([rng.integers(0, size, n) for size in sizes], axis=1)
    tables = [truth.standard_normal((size, 3)) for size in sizes]
    rows = [table[column] for table, column in zip(tables, X.T, strict=True)]
    total = sum(row[:, :2] for row in rows)
    pairs = 0.5 * ((total**2).sum(1) - sum((row[:, :2] ** 2).sum(1) for row in rows))
    return X, 3 + sum(row[:, 2] for row in rows) + pairs + 0.5 * rng.standard_normal(n)


def fits() -> Iterator[tuple[str, object, int, bool]]:
    """Name, estimator, number of fields, and whether the ratings have weights."""
    for solver, penalty, weighted, n_fields in itertools.product(
        ("sgd", "als"), ("l2", "l1", "elasticnet"), (False, True), (1, 2, 3)
    ):
        name = f"{solver} {penalty} F={n_fields}{' weighted' if weighted else ''}"
        yield name, MFRecommender(8, solver=solver, penalty=penalty, **OBSERVED), n_fields, weighted
    yield "als k=40", MFRecommender(40, solver="als", **OBSERVED), 2, False
    yield "sgd k=60", MFRecommender(60, solver="sgd", **OBSERVED), 2, False
    for solver in ("sgd", "als"):
        base = {"solver": solver, **OBSERVED}
        yield f"{solver} positive", MFRecommender(8, positive=True, fit_bias=False, **base), 2, False
        yield f"{solver} early stopping", MFRecommender(8, early_stopping=True, **base), 2, True
    for n_fields, weighted in itertools.product((1, 2, 3), (False, True)):
        name = f"Bayesian F={n_fields}{' weighted' if weighted else ''}"
        yield name, BayesianMFRecommender(8, max_iter=40, random_state=0), n_fields, weighted
    yield (
        "Bayesian homoscedastic",
        BayesianMFRecommender(8, max_iter=40, heteroscedastic=False, random_state=0),
        2,
        False,
    )
    yield "embedding", MFEmbedding(MFRecommender(8, **OBSERVED)), 2, False
    for dim, weighted in ((8, False), (8, True), (50, False)):
        name = f"two phases k={dim}{' weighted' if weighted else ''}"
        yield name, MFRecommender(dim, random_state=0), 2, weighted
    yield "two phases als", MFRecommender(8, solver="als", random_state=0), 2, False
    yield "two phases positive", MFRecommender(8, positive=True, random_state=0), 2, False


def numbers(estimator: object, n_fields: int, weighted: bool) -> dict[str, np.ndarray]:
    """Fit twice, the second time as a warm start, and predict."""
    X, y = ratings(n_fields, N_RATINGS, 1)
    w = np.random.default_rng(2).uniform(0.5, 2, len(y)) if weighted else None
    X_test, y_test = ratings(n_fields, N_TEST, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y, w)
        if isinstance(estimator, MFEmbedding):
            return {"features": estimator.transform(X_test)}
        found = {"curve": curve_of(estimator), "predictions": estimator.predict(X_test), "truth": y_test}
        if n_fields == 2:
            table = estimator.recommend(n=5)
            folded = estimator.fold_in(X[:50], y[:50])
            found |= {
                "items": table["item"].to_numpy(),
                "scores": table["score"].to_numpy(),
                "folded": folded.biases,
            }
        estimator.set_params(warm_start=True).fit(X, y, w)
    return found | {"continued": estimator.predict(X_test)}


def curve_of(estimator: object) -> np.ndarray:
    """J after each pass, or the log-likelihood."""
    name = "loss_curve_" if hasattr(estimator, "loss_curve_") else "log_likelihood_curve_"
    return np.array(getattr(estimator, name))


def compare(name: str, old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> None:
    """Print one line."""
    differ = [key for key in old if not np.array_equal(old[key], new[key])]
    if not differ:
        print(f"{name:<30} same bits")
        return
    line = f"{name:<30} differ: {', '.join(differ)}"
    if "curve" in old:
        change = abs(new["curve"][-1] / old["curve"][-1] - 1)
        rmse = [np.sqrt(np.mean((each["predictions"] - each["truth"]) ** 2)) for each in (old, new)]
        line += f"; last of the curve {change:.1e}, RMSE {rmse[1] - rmse[0]:+.1e}"
    print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["store", "compare"])
    parser.add_argument("file")
    arguments = parser.parse_args()
    found = {name: numbers(*rest) for name, *rest in fits()}
    if arguments.what == "store":
        flat = {f"{name}/{key}": value for name, each in found.items() for key, value in each.items()}
        np.savez_compressed(arguments.file, **flat)
        return
    stored = np.load(arguments.file)
    for name, each in found.items():
        compare(name, {key: stored[f"{name}/{key}"] for key in each}, each)


if __name__ == "__main__":
    main()

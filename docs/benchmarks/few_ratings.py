"""Compare MFRecommender with damped means where ids have few ratings.

    SKLEARN_MF_DATA=data python docs/benchmarks/few_ratings.py [--data ml-100k] [--shares 0.1]

Each set is also thinned to a share of its ratings, split 90/10 at random; the whole sets have their own test
part. "ml-1m sample" is 30,000 ratings of the training part of ML-1M, tested on 20,000 of its test part; the
synthetic sets are `make_ratings(users, items, ratings, random_state=0)`. A line is the test RMSE of the
damped means of items and users, and for each setting the change of the RMSE with its paired standard error in
brackets; `*` marks a change for the worse by more than one of them.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
from data import PAIR, environment, ml_1m, split
from prior_ratings import change
from two_phases import parts_of

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
THINNED = ("ml-100k", "ml-latest-small", "ml-1m")
SYNTHETIC = ((2500, 2500, 25000), (5000, 1000, 30000), (500, 400, 20000))
SETTINGS: dict[str, dict[str, object]] = {
    "default": {},
    "sgd": {"solver": "sgd"},
    "als": {"solver": "als"},
    "alpha 0.04": {"alpha": 0.04},
    "no bias": {"fit_bias": False},
    "observed": {"unobserved_weight": 0},
    "biases": {"embedding_dim": 0},
}
DAMPING = 5.0

Parts = tuple[pd.DataFrame, pd.DataFrame]


def damped_means(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Mean plus the damped deviations of the item, and of the user from these, (n_test,)."""
    mean = train["rating"].mean()
    predicted, left = np.full(len(test), mean), train["rating"] - mean
    for column in ("item", "user"):
        groups = left.groupby(train[column])
        effects = groups.sum() / (groups.count() + DAMPING)
        left = left - train[column].map(effects)
        predicted += test[column].map(effects).fillna(0.0).to_numpy()
    return np.clip(predicted, train["rating"].min(), train["rating"].max())


def sample_of_ml_1m() -> Parts:
    """30,000 ratings to train on and 20,000 to test on."""
    train, test = ml_1m()
    return train.sample(30_000, random_state=0), test.sample(20_000, random_state=0)


def sets(names: list[str], shares: list[float]) -> Iterator[tuple[str, list[Parts]]]:
    """Name and parts of each set."""
    for name in names:
        if name == "ml-1m sample":
            yield name, [sample_of_ml_1m()]
        elif name == "synthetic":
            for size in SYNTHETIC:
                yield f"{name} {size}", [split(make_ratings(*size, random_state=0))]
        else:
            for share in shares:
                yield f"{name} {share:.0%}", parts_of(name, share)


def row(parts: list[Parts], settings: list[str]) -> str:
    """Line of a set, all of its parts together."""
    truth = np.concatenate([test["rating"] for _, test in parts])
    reference = (np.concatenate([damped_means(*part) for part in parts]) - truth) ** 2
    line = f"{np.sqrt(reference.mean()):.4f}"
    for setting in settings:
        models = [MFRecommender(**SETTINGS[setting], random_state=0).fit(train) for train, _ in parts]
        predicted = [model.predict(test[PAIR]) for model, (_, test) in zip(models, parts, strict=True)]
        difference, error = change((np.concatenate(predicted) - truth) ** 2, reference)
        line += f"  {difference:+.4f} ({error:.4f}){'*' if difference > error else ' '}"
    return line


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = ["ml-1m sample", "synthetic", *THINNED]
    parser.add_argument("--data", nargs="+", choices=every, default=every)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    arguments = parser.parse_args()
    print(environment())
    print(f"set, damped means, {', '.join(arguments.settings)}")
    for name, parts in sets(arguments.data, arguments.shares):
        print(f"{name:<32}{row(parts, arguments.settings)}", flush=True)


if __name__ == "__main__":
    main()

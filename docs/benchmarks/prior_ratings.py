"""Choose the default of `prior_ratings` by cross-validation on the training parts of the shared rating sets.

    SKLEARN_MF_DATA=data python docs/benchmarks/prior_ratings.py [--data ml-100k] [--solver sgd]

Each set is also thinned to a share of its ratings. A line is the validation RMSE without prior ratings, and
for each number of prior ratings the change of the RMSE with its paired standard error in brackets; `*` marks
a change for the worse by more than two of them. `--alpha` is the penalty of all settings but the first;
every other setting is the default.
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from data import DATA, PAIR, environment

from sklearn_mf import MFRecommender

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
VALUES = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0)
# Validation ratings wanted of each share, and the most splits that they are collected from.
N_TESTED, MOST_SPLITS = 4_000, 6


def splits(ratings: pd.DataFrame, share: float) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Random 90/10 splits of random shares of the ratings."""
    size = int(share * len(ratings))
    n_train = int(0.9 * size)
    for seed in range(int(np.clip(N_TESTED // (size - n_train), 1, MOST_SPLITS))):
        rows = np.random.default_rng(seed).permutation(len(ratings))[:size]
        yield ratings.iloc[rows[:n_train]], ratings.iloc[rows[n_train:]]


def squared_errors(settings: dict[str, object], train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Squared error of each rating of a test part, (n_test,)."""
    model = MFRecommender(**settings, random_state=0)
    model.fit(train[PAIR], train["rating"])
    return (model.predict(test[PAIR]) - test["rating"].to_numpy()) ** 2


def change(errors: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Difference of two RMSEs over the same ratings, and its standard error, from (n,) squared errors."""
    difference = np.sqrt(errors.mean()) - np.sqrt(reference.mean())
    spread = np.std(errors - reference, ddof=1) / np.sqrt(len(errors))
    return float(difference), float(spread / (2 * np.sqrt(reference.mean())))


def row(settings: Sequence[dict[str, object]], ratings: pd.DataFrame, share: float) -> str:
    """Line of a share: the RMSE of the first settings, and the changes of the others."""
    parts = list(splits(ratings, share))
    errors = [np.concatenate([squared_errors(each, *part) for part in parts]) for each in settings]
    line = f"{share:5.0%} {len(errors[0]):6d} {np.sqrt(errors[0].mean()):7.4f}"
    for each in errors[1:]:
        difference, standard_error = change(each, errors[0])
        mark = "*" if difference > 2 * standard_error else " "
        line += f"  {difference:+.4f} ({standard_error:.4f}){mark}"
    return line


def main() -> None:
    """Print a table for each set and solver."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--solver", nargs="+", choices=["sgd", "als"], default=["sgd", "als"])
    parser.add_argument("--values", nargs="+", type=float, default=VALUES, help="the first is the reference")
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--alpha", type=float, help="penalty of all settings but the first")
    arguments = parser.parse_args()
    first, *others = [{"prior_ratings": n} for n in arguments.values]
    settings = [first, *(each | ({"alpha": arguments.alpha} if arguments.alpha else {}) for each in others)]
    print(environment())
    for name in arguments.data:
        ratings, _ = DATA[name]()
        for solver in arguments.solver:
            print(f"\n{name}, {solver}: share, ratings tested, RMSE at {arguments.values[0]:g}", end="")
            print("".join(f", change at {n:g}" for n in arguments.values[1:]))
            for share in arguments.shares:
                print(row([each | {"solver": solver} for each in settings], ratings, share), flush=True)


if __name__ == "__main__":
    main()

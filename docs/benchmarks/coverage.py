"""Share of test ratings inside the intervals of BayesianMFRecommender.

    SKLEARN_MF_DATA=data python docs/benchmarks/coverage.py [--data ml-100k] [--embedding-dim 8]

A model with the defaults, but for `--embedding-dim`, is fitted to the training part of a set, or to a random
share of it, and tested on
the whole test part: ratings 90/10 at random, u1 of ML-100K. A line is the share of test ratings inside the
intervals of 50, 80, 90 and 95 %, the mean width of the latter three, RMSE and the seconds of the fit; `*`
marks shares that are more than two points off.
"""

import argparse
import time

import numpy as np
import pandas as pd
from data import DATA, PAIR, environment

from sklearn_mf import BayesianMFRecommender

LEVELS = (0.5, 0.8, 0.9, 0.95)


def row(embedding_dim: int, train: pd.DataFrame, test: pd.DataFrame) -> str:
    """Line of a fit."""
    start = time.perf_counter()
    model = BayesianMFRecommender(embedding_dim, random_state=0).fit(train[PAIR], train["rating"])
    seconds = time.perf_counter() - start
    truth, line, widths = test["rating"].to_numpy(), "", []
    for level in LEVELS:
        lower, upper = model.predict_interval(test[PAIR], coverage=level).T
        inside = np.mean((lower <= truth) & (truth <= upper))
        line += f"{inside:7.3f}{'*' if abs(inside - level) > 0.02 else ' '}"
        widths.append(f"{np.mean(upper - lower):.2f}")
    rmse = np.sqrt(np.mean((model.predict(test[PAIR]) - truth) ** 2))
    return f"{line}  {' '.join(widths)}  {rmse:.4f}  {seconds:.0f} s"


def main() -> None:
    """Print a line for each set and share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=["ml-100k", "ml-latest-small"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--embedding-dim", type=int, default=32)
    arguments = parser.parse_args()
    print(environment())
    print(f"{'training part':<24}{'  '.join(f'{level:.0%}' for level in LEVELS)}  widths, RMSE, fit")
    for name in arguments.data:
        train, test = DATA[name]()
        for share in arguments.shares:
            part = train.sample(frac=share, random_state=0)
            print(f"{name + f' {share:.0%}':<22}{row(arguments.embedding_dim, part, test)}", flush=True)


if __name__ == "__main__":
    main()

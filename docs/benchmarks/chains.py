"""Chains of BayesianMFRecommender where ids have few ratings: whether they agree, and what a draw costs.

    [SKLEARN_MF_DATA=folder] python docs/benchmarks/chains.py [--sets a b ml-1m] [--max-iter 110 330]

Prints, for each data set and number of sweeps, the noise of each chain, its 90 % interval, the RMSE of
held-out ratings, R-hat, effective sample sizes, and the seconds of an effective draw of the expected ratings
in one of the worst cells. "a" is `make_ratings(2500, 2500, 25000, random_state=0)` and "b" is
`make_ratings(5000, 1000, 30000, random_state=0)`, both with noise 0.5; "ml-1m" is 30,000 ratings of the
training part of ML-1M. Splits are those of data.py. All chains have random starts of their own.
"""

import argparse
import time
import warnings

import numpy as np
from data import PAIR, environment, ml_1m, split

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.datasets import make_ratings


def thinned():
    """30,000 ratings to train on, 20,000 to test on."""
    train, test = ml_1m()
    return train.sample(30_000, random_state=0), test.sample(20_000, random_state=0)


SETS = {
    "a": lambda: split(make_ratings(2500, 2500, 25_000, random_state=0)),
    "b": lambda: split(make_ratings(5000, 1000, 30_000, random_state=0)),
    "ml-1m": thinned,
}


def row(train, test, max_iter: int, seed: int) -> dict[str, object]:
    """Figures of a fit with the defaults but for the number of sweeps."""
    model = BayesianMFRecommender(max_iter=max_iter, random_state=seed)
    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    table, noise = model.summarize_chains(), model.noise_std_samples_
    errors = model.predict(test[PAIR]) - test["rating"]
    return {
        "noise by chain": np.round(noise.reshape(model.n_chains, -1).mean(axis=1), 3).tolist(),
        "90 % interval": np.round(np.quantile(noise, [0.05, 0.95]), 3).tolist(),
        "RMSE": round(float(np.sqrt(np.mean(errors**2))), 4),
        "R-hat": table["r_hat"].round(2).to_dict(),
        "ESS": table["ess_bulk"].round().astype(int).to_dict(),
        "fit s": round(seconds, 1),
        "s per effective draw": round(seconds / table.loc["expected_rating", "ess_bulk"], 3),
    }


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--max-iter", nargs="*", type=int, default=[110])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    choice = parser.parse_args()
    print(environment())
    warnings.simplefilter("ignore")
    for name in choice.sets:
        parts = SETS[name]()
        for max_iter in choice.max_iter:
            for seed in choice.seeds:
                figures = row(*parts, max_iter, seed)
                print(f"{name}, {max_iter} sweeps, seed {seed}:", figures, flush=True)


if __name__ == "__main__":
    main()

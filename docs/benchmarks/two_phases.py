"""Compare MFRecommender() with the model of the observed ratings alone: ratings and lists, no setting.

    SKLEARN_MF_DATA=data python docs/benchmarks/two_phases.py [--data ml-100k] [--shares 0.1 1]

Each set is also thinned to a share of its ratings, split 90/10 at random; the whole sets have their own test
part. A line is the test RMSE of `unobserved_weight=0, prior_ratings=0` and of the default, the difference
with its paired standard error (`*` marks one for the worse by more than two of them), the share of test
ratings inside the 90 % intervals of `return_std`, NDCG@10 of ratings of at least 4 among all unseen items for
the most popular items, the observed ratings alone and the default, and the seconds of both fits.
"""

import argparse
import time

import numpy as np
import pandas as pd
from data import DATA, OBSERVED, PAIR, environment, ml_100k
from prior_ratings import change

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import make_ranking_scorer

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
LISTS = make_ranking_scorer("ndcg", k=10, relevance_threshold=4)


def parts_of(name: str, share: float) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Training and test parts: the published or usual ones of a whole set, else a random split."""
    if name == "ml-100k" and share == 1:
        return [ml_100k(f"u{fold}") for fold in range(1, 6)]
    train, test = DATA[name]()
    if share == 1:
        return [(train, test)]
    ratings = pd.concat([train, test])
    rows = np.random.default_rng(0).permutation(len(ratings))[: int(share * len(ratings))]
    n_train = int(0.9 * len(rows))
    return [(ratings.iloc[rows[:n_train]], ratings.iloc[rows[n_train:]])]


def fitted(settings: dict[str, object], train: pd.DataFrame) -> tuple[MFRecommender, float]:
    """Recommender and the seconds of its fit."""
    start = time.perf_counter()
    model = MFRecommender(**settings, random_state=0).fit(train[PAIR], train["rating"])
    return model, time.perf_counter() - start


def coverage(model: MFRecommender, test: pd.DataFrame) -> float:
    """Share of the test ratings inside the 90 % intervals."""
    mean, std = model.predict(test[PAIR], return_std=True)
    return float((np.abs(test["rating"] - mean) < 1.645 * std).mean())


def row(name: str, share: float) -> str:
    """Line of a share: means over its parts."""
    lines = []
    for train, test in parts_of(name, share):
        (before, time_before), (now, time_now) = fitted(OBSERVED, train), fitted({}, train)
        X, y = test[PAIR], test["rating"]
        errors, errors_now = ((model.predict(X) - y) ** 2 for model in (before, now))
        popular = DummyRecommender().fit(train[PAIR], train["rating"])
        lists = [LISTS(model, X, y) for model in (popular, before, now)]
        rmse = np.sqrt(errors.mean()), np.sqrt(errors_now.mean())
        lines.append([*rmse, *change(errors_now, errors), coverage(now, test), *lists, time_before, time_now])
    old, new, difference, error, inside, *rest = np.mean(lines, axis=0)
    mark = "*" if difference > 2 * error else " "
    lists = " ".join(f"{value:.4f}" for value in rest[:3])
    seconds = " ".join(f"{value:5.1f}" for value in rest[3:])
    errors = f"{old:.4f} {new:.4f} {difference:+.4f} ({error:.4f}){mark}"
    return f"{share:5.0%}  {errors} {inside:.3f}  {lists}  {seconds}"


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    arguments = parser.parse_args()
    print(environment())
    for name in arguments.data:
        print(f"\n{name}: share, RMSE before, now, change, inside 90 %, NDCG popular, before, now, seconds")
        for share in arguments.shares:
            print(row(name, share), flush=True)


if __name__ == "__main__":
    main()

"""Ranking metrics beside trec_eval, seconds of the ranking scorer, and searches by NDCG and by RMSE.

    PYTHONPATH=. SKLEARN_MF_DATA=folder python docs/benchmarks/ranking.py

Needs pytrec-eval-terrier. The metrics run on 1,000 random tables each, and on a million recommended rows for
their speed; the scorer on the test part of ML-1M 90/10, which holds nearly all users; the searches on
ml-latest-small with its times, a rating of at least 4 being relevant.
"""

import time
import timeit
from collections.abc import Callable

import numpy as np
import pandas as pd
from data import OBSERVED, PAIR, environment, folder, ml_1m
from sklearn.model_selection import BaseCrossValidator, GridSearchCV

from sklearn_mf import MFRecommender, metrics
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import LeaveLastOut, PerUserKFold, TemporalSplit
from tests.metrics.reference import NAMES, random_case, trec_eval

GRID = {"embedding_dim": [8, 32, 128], "alpha": [0.001, 0.005, 0.02, 0.045, 0.07]}
SPLITTERS = [PerUserKFold(5, random_state=0), LeaveLastOut(), TemporalSplit()]


def largest_differences(n_cases: int) -> pd.Series:
    """Largest absolute difference of a user's value from that of trec_eval, for each metric."""
    largest = dict.fromkeys(NAMES, 0.0)
    for seed in range(n_cases):
        relevant, recommended, k = random_case(seed)
        expected = trec_eval(relevant, recommended, k)
        for name in NAMES:
            values = getattr(metrics, f"{name}_at_k")(relevant, recommended, k, per_user=True)
            largest[name] = max(largest[name], float(np.abs(values - expected[name]).max()))
    return pd.Series(largest)


def seconds_for_a_million_rows() -> pd.Series:
    """Seconds of each metric on 100,000 lists of 10 and as many relevant items."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(100_000), 10)
    tables = [
        pd.DataFrame({"user": users, "item": (users * 7 + 1000 * np.tile(range(10), 100_000)) % 10_000}),
        pd.DataFrame({"user": users, "item": rng.integers(0, 10_000, len(users))}).drop_duplicates(),
    ]
    return pd.Series(
        {name: seconds(lambda name=name: getattr(metrics, f"{name}_at_k")(*tables[::-1])) for name in NAMES}
    )


def seconds(call: Callable[[], object]) -> float:
    """Best of five calls."""
    return min(timeit.repeat(call, number=1, repeat=5))


def time_scorers() -> None:
    """Print the seconds of scorers over all users of the test part of ML-1M, after fit."""
    train, test = ml_1m()
    model = MFRecommender(64, random_state=0, **OBSERVED).fit(train)
    users = test["user"].nunique()
    for scorer in (
        make_ranking_scorer("ndcg", k=10, relevance_threshold=4),
        make_ranking_scorer([*NAMES, "coverage", "novelty", "gini"], k=10, relevance_threshold=4),
        make_ranking_scorer("ndcg", k=10, relevance_threshold=4, n_negatives=100, random_state=0),
    ):
        took = seconds(lambda scorer=scorer: scorer(model, test[PAIR], test["rating"]))
        print(f"{took:.2f} s for {users} users: {scorer}")


def search(cv: BaseCrossValidator) -> None:
    """Print what a search chooses by NDCG@10, and what it would by RMSE."""
    ratings = pd.read_csv(folder() / "ml-latest-small/ratings.csv")
    ratings.columns = [*PAIR, "rating", "time"]
    scoring = {
        "ndcg": make_ranking_scorer("ndcg", k=10, relevance_threshold=4),
        "rmse": "neg_root_mean_squared_error",
    }
    groups = None if isinstance(cv, PerUserKFold) else ratings["time"]
    start = time.perf_counter()
    fitted = GridSearchCV(
        MFRecommender(random_state=0, **OBSERVED), GRID, scoring=scoring, refit="ndcg", cv=cv
    ).fit(ratings[PAIR], ratings["rating"], groups=groups)
    print(f"\n{cv}: {fitted.n_splits_} split(s), {time.perf_counter() - start:.0f} s")
    results = fitted.cv_results_
    for name in scoring:
        best = int(np.argmax(results[f"mean_test_{name}"]))
        ndcg, rmse = results["mean_test_ndcg"][best], -results["mean_test_rmse"][best]
        print(f"  best by {name}: {results['params'][best]}, ndcg@10 {ndcg:.4f}, RMSE {rmse:.4f}")


if __name__ == "__main__":
    print(environment("pytrec_eval-terrier"))
    print("\nlargest difference from trec_eval, 1,000 random cases each")
    print(largest_differences(1000).to_string())
    print("\nseconds on a million recommended rows, best of five calls")
    print(seconds_for_a_million_rows().round(2).to_string())
    print("\nranking scorer on ML-1M after fit, best of five calls")
    time_scorers()
    for splitter in SPLITTERS:
        search(splitter)

"""Search `unobserved_weight` x `embedding_dim` with two scores: NDCG of the lists, and RMSE of the ratings.

    SKLEARN_MF_DATA=data python docs/benchmarks/search_lists.py

GridSearchCV on the training part of ml-latest-small, PerUserKFold(5); each winner is then refitted and scored
on the test part, beside the most popular items.
"""

import time

from data import PAIR, environment, ml_latest_small
from sklearn.base import clone
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import PerUserKFold

GRID = {"embedding_dim": [16, 32, 64], "unobserved_weight": [3, 10, 30]}
LISTS = make_ranking_scorer("ndcg", k=10, relevance_threshold=4)


def main() -> None:
    """Print both winners and both of their figures, in validation and on the test part."""
    (train, test), started = ml_latest_small(), time.perf_counter()
    scoring = {"ndcg": LISTS, "rmse": "neg_root_mean_squared_error"}
    cv = PerUserKFold(5, random_state=0)
    search = GridSearchCV(MFRecommender(random_state=0), GRID, scoring=scoring, refit=False, cv=cv)
    results = search.fit(train[PAIR], train["rating"], groups=train["user"]).cv_results_
    print(environment())
    print(f"{len(results['params'])} settings x 5 folds in {time.perf_counter() - started:.0f} s")
    popular = DummyRecommender().fit(train[PAIR], train["rating"])
    print(f"test NDCG@10 of the most popular items {LISTS(popular, test[PAIR], test['rating']):.4f}")
    for name in scoring:
        best = results[f"mean_test_{name}"].argmax()
        figures = results["mean_test_ndcg"][best], -results["mean_test_rmse"][best]
        model = (
            clone(search.estimator).set_params(**results["params"][best]).fit(train[PAIR], train["rating"])
        )
        rmse = root_mean_squared_error(test["rating"], model.predict(test[PAIR]))
        tested = LISTS(model, test[PAIR], test["rating"]), rmse
        print(f"{name} winner {results['params'][best]}: NDCG@10 and RMSE in validation", end=" ")
        print(f"{figures[0]:.4f} {figures[1]:.4f}, on the test part {tested[0]:.4f} {tested[1]:.4f}")


if __name__ == "__main__":
    main()

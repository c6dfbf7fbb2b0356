"""Which model for which question: errors of predicted ratings and quality of lists, with no setting.

    SKLEARN_MF_DATA=folder python docs/benchmarks/which_model.py [ml-latest-small] [ml-1m]

For each model it prints the RMSE on the held-out tenth, NDCG@10 and recall@20 of lists of unseen items, where
held-out ratings of at least 4 are relevant, NDCG@10 where all of them are, the share of the recommended
films (lists of ten) with fewer than five training ratings, and the seconds of the fit.
"""

import sys
import time

import pandas as pd
from data import DATA, PAIR, environment
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import ndcg_at_k, recall_at_k

LIKED, FEW = 4, 5
MODELS = {
    "DummyRecommender(), most popular": DummyRecommender(),
    'DummyRecommender("best_rated")': DummyRecommender("best_rated"),
    "MFRecommender(0), biases only": MFRecommender(0, random_state=0),
    "observed ratings alone": MFRecommender(unobserved_weight=0, prior_ratings=0, random_state=0),
    "MFRecommender()": MFRecommender(random_state=0),
    'MFRecommender(), rank_by="rating"': MFRecommender(random_state=0),
    "ImplicitMFRecommender()": ImplicitMFRecommender(random_state=0),
}
SMALL = {"BayesianMFRecommender(8)": BayesianMFRecommender(8, random_state=0)}


def measured(name: str, model: BaseEstimator, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Figures of one model."""
    clone(model).fit(train[:2000])  # compiles or traces the programs
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    options = {"rank_by": "rating"} if "rank_by" in name else {}
    table = model.recommend(test["user"].unique(), n=20, **options)
    liked = test.loc[test["rating"] >= LIKED, PAIR]
    counts = train["item"].value_counts()
    few = table.loc[table["rank"] <= 10, "item"].map(counts) < FEW
    return {
        "RMSE": root_mean_squared_error(test["rating"], model.predict(test[PAIR])),
        "NDCG@10 liked": ndcg_at_k(liked, table, k=10),
        "NDCG@10 all": ndcg_at_k(test[PAIR], table, k=10),
        "recall@20 liked": recall_at_k(liked, table, k=20),
        "fewer than five": few.mean(),
        "fit s": seconds,
    }


if __name__ == "__main__":
    print(environment())
    for data in sys.argv[1:] or ["ml-latest-small", "ml-1m"]:
        train, test = DATA[data]()
        models = MODELS | (SMALL if data == "ml-latest-small" else {})
        rows = {name: measured(name, model, train, test) for name, model in models.items()}
        print(f"\n{data}\n{pd.DataFrame(rows).T.round(4).to_string()}", flush=True)

"""What recency, dislikes and diversity do to lists of ten films, on ml-latest-small.

    SKLEARN_MF_DATA=folder python docs/benchmarks/lists.py

Recency: the newest fifth of all ratings is held out, and the weight of a training rating halves with each
half-life of its age. Dislikes: 90/10 split; training ratings of at most 2 are left out of fit, have weight 1,
or weigh more; their films are excluded. Diversity: the same split; `diversify` chooses ten of fifty films for
each user. Held-out ratings of at least 4 are relevant. "similarity" is the mean cosine of the embeddings of
two films of a list.
"""

import numpy as np
import pandas as pd
from data import PAIR, environment, folder, split

from sklearn_mf import MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import catalog_coverage, ndcg_at_k
from sklearn_mf.model_selection import TemporalSplit
from sklearn_mf.reranking import diversify

DAY = 24 * 60 * 60
HALF_LIVES = {"none": np.inf, "4 years": 4 * 365, "1 year": 365, "90 days": 90}
LIKED, DISLIKED = 4, 2


def read() -> pd.DataFrame:
    """Users, films, ratings and their times in seconds."""
    ratings = pd.read_csv(folder() / "ml-latest-small/ratings.csv")
    return ratings.set_axis([*PAIR, "rating", "time"], axis=1)


def ndcg(test: pd.DataFrame, table: pd.DataFrame) -> float:
    """NDCG@10 of the liked films among the held-out ratings."""
    return ndcg_at_k(test.loc[test["rating"] >= LIKED, PAIR], table)


def recency(ratings: pd.DataFrame) -> pd.DataFrame:
    """NDCG@10 by half-life of the weights."""
    rows, held_out = next(TemporalSplit(0.2).split(ratings[PAIR], ratings["rating"], ratings["time"]))
    train, test = ratings.iloc[rows], ratings.iloc[held_out]
    age = (train["time"].max() - train["time"]) / DAY
    users, found = test["user"].unique(), {}
    for name, half_life in HALF_LIVES.items():
        weights = 0.5 ** (age / half_life)
        models = DummyRecommender(), DummyRecommender("best_rated"), MFRecommender(random_state=0)
        found[name] = {
            str(model): ndcg(test, model.fit(train[PAIR], train["rating"], weights).recommend(users))
            for model in models
        }
    return pd.DataFrame(found).T


def dislikes(train: pd.DataFrame, test: pd.DataFrame) -> "pd.Series[float]":
    """NDCG@10 by the weight of the disliked training ratings."""
    disliked, found = train["rating"] <= DISLIKED, {}
    for weight in (0, 1, 2, 4):
        weights = np.where(disliked, weight, 1)
        model = MFRecommender(random_state=0).fit(train[PAIR], train["rating"], weights)
        found[weight] = ndcg(test, model.recommend(test["user"].unique(), exclude=train[disliked]))
    return pd.Series(found).rename_axis("weight of dislikes")


def similarity(model: MFRecommender, table: pd.DataFrame) -> float:
    """Mean cosine of two films of a list."""
    norms = np.linalg.norm(model.item_embeddings_, axis=1, keepdims=True)
    unit = pd.DataFrame(model.item_embeddings_ / np.maximum(norms, 1e-12), model.item_ids_)
    sums = unit.loc[table["item"]].groupby(table["user"].to_numpy()).agg("sum")
    n = table.groupby("user").size()
    return float((((sums**2).sum(axis=1) - n) / (n * (n - 1))).mean())


def diversity(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """NDCG@10, similarity and coverage by trade-off."""
    model = MFRecommender(random_state=0).fit(train)
    fifty, found = model.recommend(test["user"].unique(), n=50), {}
    for trade_off in (1.0, 0.9, 0.7, 0.5, 0.3):
        table = diversify(fifty, model, 10, trade_off)
        found[trade_off] = {
            "ndcg": ndcg(test, table),
            "similarity": similarity(model, table),
            "films shown": catalog_coverage(table, model.item_ids_, k=10) * len(model.item_ids_),
        }
    return pd.DataFrame(found).T.rename_axis("trade_off")


if __name__ == "__main__":
    print(environment())
    ratings = read()
    print("\nNDCG@10 by half-life of the weights\n", recency(ratings).round(4).to_string())
    train, test = split(ratings[[*PAIR, "rating"]])
    print("\nNDCG@10 by the weight of dislikes\n", dislikes(train, test).round(4).to_string())
    print("\ndiversity\n", diversity(train, test).round(4).to_string())

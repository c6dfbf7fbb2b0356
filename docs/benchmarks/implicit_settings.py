"""Settings of ImplicitMFRecommender: validation on training parts, and figures on test parts.

    PYTHONPATH=. SKLEARN_MF_DATA=folder python docs/benchmarks/implicit_settings.py [validate|test] [set ...]
        [--settings '{"alpha": 0.01}' ...]

The sets are play counts (lastfm-2k), check-ins (gowalla, the published split), and MovieLens as binary data,
where each rating is an interaction; a name that ends in -10 or -30 has that share of the training rows, drawn
at random. `validate` holds out a tenth of the interactions of each user of the training part and prints
the scores for each setting, and those of the most popular items; `test` prints those on the test part. On
leave-one-out that is the ranking of a held-out item among the 99 published negatives.
"""

import argparse
import ast
import gzip
import json
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from data import PAIR, environment, folder, ml_1m, ml_latest_small
from sklearn.base import BaseEstimator

from sklearn_mf import ImplicitMFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.model_selection import PerUserKFold

Parts = tuple[pd.DataFrame, pd.DataFrame]
Settings = dict[str, object]


class Scores(NamedTuple):
    """Metrics of a fitted model, and the length of its lists."""

    metrics: tuple[str, ...]
    k: int


def lastfm_2k() -> Parts:
    """Play counts; a random fifth of the artists of each user is the test part, as in other benchmarks."""
    plays = pd.read_csv(folder() / "lastfm-2k/user_artists.dat", sep="\t", names=[*PAIR, "plays"], skiprows=1)
    users = plays["user"]
    ranks = pd.Series(np.random.default_rng(0).random(len(plays))).groupby(users).rank(method="first") - 1
    is_test = ranks >= np.ceil(0.8 * users.map(users.value_counts()))
    return plays[~is_test], plays[is_test]


def gowalla() -> Parts:
    """Check-ins in the split that NGCF and LightGCN published."""
    train, test = (_lists(f"gowalla/{part}.txt.gz") for part in ("train", "test"))
    return train, test


def leave_one_out() -> Parts:
    """ML-1M: the test part has one item of each user and then 99 negatives, 100 rows a user."""
    ratings = pd.read_csv(folder() / "ml-1m/ratings_no_timestamp.csv.gz")
    ratings = pd.DataFrame({"user": ratings["user"] - 1, "item": pd.factorize(ratings["item"])[0]})
    with gzip.open(folder() / "ml-1m/ncf.test.negative.gz", "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    positive = [ast.literal_eval(row[0]) for row in rows]
    table = [
        (pair[0], int(item)) for pair, row in zip(positive, rows, strict=True) for item in (pair[1], *row[1:])
    ]
    held_out = pd.MultiIndex.from_tuples(positive)
    return ratings[~pd.MultiIndex.from_frame(ratings).isin(held_out)], pd.DataFrame(table, columns=PAIR)


def _lists(name: str) -> pd.DataFrame:
    """Users and items of a file with a line for each user: user item item ..."""
    lines = pd.read_csv(folder() / name, header=None, names=["line"], sep="\0")["line"].str.split()
    table = pd.DataFrame({"user": lines.str[0].astype(int), "item": lines.str[1:]})
    return table.explode("item").dropna().astype(int)


DATA: dict[str, tuple[Callable[[], Parts], Scores]] = {
    "ml-latest-small": (ml_latest_small, Scores(("ndcg",), 10)),
    "lastfm-2k": (lastfm_2k, Scores(("recall", "ndcg"), 20)),
    "ml-1m": (ml_1m, Scores(("ndcg",), 10)),
    "gowalla": (gowalla, Scores(("recall", "ndcg"), 20)),
    "leave-one-out": (leave_one_out, Scores(("hit_rate", "ndcg"), 10)),
}
SETS = ("ml-latest-small", "ml-latest-small-30", "ml-latest-small-10", "lastfm-2k", "ml-1m-30", "ml-1m-10")


def parts_of(name: str) -> tuple[Parts, Scores]:
    """Training part, perhaps thinned, test part and scores of a set; films have no strengths."""
    base, _, share = name.rpartition("-")
    thinned = share in ("10", "30")
    read, scores = DATA[base if thinned else name]
    train, test = read()
    train = train if "plays" in train else train[PAIR]
    if thinned:
        train = train.sample(frac=int(share) / 100, random_state=0)
    return (train, test[PAIR]), scores


def hold_out(train: pd.DataFrame) -> Parts:
    """Nine tenths and one tenth of the interactions of each user."""
    rows, held_out = next(PerUserKFold(10, random_state=0).split(train))
    return train.iloc[rows], train.iloc[held_out][PAIR]


def scores_of(parts: Parts, scores: Scores, settings: Settings) -> dict[str, float]:
    """Scores of a model that is fitted on the first part, on the second."""
    train, test = parts
    model = ImplicitMFRecommender(random_state=0, **settings).fit(train)
    if len(test) == 100 * test["user"].nunique():
        return leave_one_out_scores(model, test, scores.k)
    return ranking_scores(model, test, scores)


def most_popular_scores(parts: Parts, scores: Scores) -> dict[str, float]:
    """Scores of lists of the most popular items."""
    train, test = parts
    counts = train.assign(rating=np.resize([1, 2], len(train)))[[*PAIR, "rating"]]  # ratings do not count
    popular = DummyRecommender(strategy="most_popular").fit(counts)
    return ranking_scores(popular, test.assign(rating=1), scores)


def ranking_scores(model: BaseEstimator, test: pd.DataFrame, scores: Scores) -> dict[str, float]:
    """Scores of lists of all items."""
    found = make_ranking_scorer(list(scores.metrics), k=scores.k)(model, test)
    return {f"{metric}@{scores.k}": value for metric, value in found.items()}


def leave_one_out_scores(model: ImplicitMFRecommender, test: pd.DataFrame, k: int) -> dict[str, float]:
    """Hit rate and NDCG of the first of each 100 items; equal scores count against it."""
    predicted = model.predict(test).reshape(-1, 100)
    ranks = (predicted[:, 1:] >= predicted[:, :1]).sum(axis=1) + 1
    hits = ranks <= k
    return {f"hit_rate@{k}": float(hits.mean()), f"ndcg@{k}": float((hits / np.log2(ranks + 1)).mean())}


def main() -> None:
    """Print a line for each set and setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["validate", "test"], nargs="?", default="test")
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--settings", nargs="*", type=json.loads, default=[{}])
    arguments = parser.parse_args()
    print(environment())
    for name in arguments.sets:
        parts, scores = parts_of(name)
        if arguments.what == "validate":
            parts = hold_out(parts[0])
        if name != "leave-one-out":
            print(f"{name} most popular: {spell(most_popular_scores(parts, scores))}", flush=True)
        for settings in arguments.settings:
            start = time.perf_counter()
            shown = spell(scores_of(parts, scores, settings))
            print(f"{name} {settings}: {shown}, {time.perf_counter() - start:.1f} s", flush=True)


def spell(values: dict[str, float]) -> str:
    """Names and values in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


if __name__ == "__main__":
    main()

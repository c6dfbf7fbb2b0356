"""New ratings every night: test on each chunk of ratings, then learn from it.

    SKLEARN_MF_DATA=folder python docs/benchmarks/partial_fit.py [--data NAME ...] [--model NAME ...]

Each model is fitted on the first half of the ratings. The second half comes in 20 chunks: a model predicts a
chunk and then learns from it, so that every rating is predicted before it is known. ML-100K and
ml-latest-small are in the order of time, ML-1M in random order. Prints the RMSE over all chunks and the CPU
seconds of learning a chunk, for models that are never updated, refitted on all ratings so far, continued by a
warm start on the chunk, and updated by `partial_fit`. With --lists: the mean NDCG@10 of the lists over the
chunks, of the items of the chunk that a user has not rated before.
"""

import argparse
import copy
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from data import OBSERVED, PAIR, environment, folder
from sklearn.base import BaseEstimator, clone

from sklearn_mf import ImplicitMFRecommender, MFRecommender
from sklearn_mf.metrics import make_ranking_scorer

N_CHUNKS = 20
MODELS = {
    "default": MFRecommender(random_state=0),
    "als": MFRecommender(32, alpha=0.045, solver="als", random_state=0, **OBSERVED),
    "sgd": MFRecommender(32, alpha=0.045, solver="sgd", random_state=0, **OBSERVED),
    "implicit": ImplicitMFRecommender(random_state=0),
}


def ml_100k() -> pd.DataFrame:
    """ML-100K in the order of time."""
    names = [*PAIR, "rating", "time"]
    ratings = pd.read_csv(folder() / "ml-100k/u.data", sep="\t", names=names)
    return ratings.sort_values("time", kind="stable")


def ml_latest_small() -> pd.DataFrame:
    """ml-latest-small in the order of time."""
    ratings = pd.read_csv(folder() / "ml-latest-small/ratings.csv")
    ratings = ratings.rename(columns={"userId": "user", "movieId": "item"})
    return ratings.sort_values("timestamp", kind="stable")


def ml_1m() -> pd.DataFrame:
    """ML-1M in random order."""
    ratings = pd.read_csv(folder() / "ml-1m/ratings_no_timestamp.csv.gz")
    return ratings.iloc[np.random.default_rng(0).permutation(len(ratings))]


DATA = {"ml-100k": ml_100k, "ml-latest-small": ml_latest_small, "ml-1m": ml_1m}
Learn = Callable[[BaseEstimator, pd.DataFrame, pd.DataFrame], object]
WAYS: dict[str, Learn] = {
    "never": lambda model, past, chunk: None,
    "refit": lambda model, past, chunk: model.fit(pd.concat([past, chunk])),
    "warm_start": lambda model, past, chunk: model.set_params(warm_start=True).fit(chunk),
    "partial_fit": lambda model, past, chunk: model.partial_fit(chunk),
}


def nights(ratings: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The ratings before each chunk of the second half, and the chunk."""
    bounds = np.linspace(len(ratings) // 2, len(ratings), N_CHUNKS + 1).astype(int)
    for first, last in itertools.pairwise(bounds):
        yield ratings.iloc[:first], ratings.iloc[first:last]


def squared_errors(model: BaseEstimator, chunk: pd.DataFrame) -> np.ndarray:
    """Squared errors of the predictions, (n_ratings,)."""
    return (model.predict(chunk[PAIR]) - chunk["rating"].to_numpy()) ** 2


def ndcg(model: BaseEstimator, chunk: pd.DataFrame) -> np.ndarray:
    """NDCG@10, (1,)."""
    scorer = make_ranking_scorer("ndcg", k=10)
    return np.array([scorer(model, chunk[PAIR], chunk["rating"])])


def run(model: BaseEstimator, ratings: pd.DataFrame, learn: Learn, measure: Callable) -> tuple[float, float]:
    """Mean of the measure over the chunks, and CPU seconds of learning a chunk (median).

    `model` is fitted on the first half.
    """
    measured, seconds = [], []
    for past, chunk in nights(ratings):
        measured.append(measure(model, chunk))
        start = time.process_time()
        learn(model, past, chunk)
        seconds.append(time.process_time() - start)
    return float(np.concatenate(measured).mean()), float(np.median(seconds))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--model", nargs="+", choices=MODELS, default=["default", "als"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--lists", action="store_true")
    parser.add_argument("--half", action="store_true", help="the first half of the ratings alone, to tune on")
    arguments = parser.parse_args()
    measure = ndcg if arguments.lists else squared_errors
    print(environment(), flush=True)
    for name in arguments.data:
        ratings = DATA[name]()[[*PAIR, "rating"]]
        ratings = ratings.iloc[: len(ratings) // 2] if arguments.half else ratings
        for model in arguments.model:
            start = time.process_time()
            first = clone(MODELS[model]).fit(ratings.iloc[: len(ratings) // 2])
            print(f"{name}, {model}: {time.process_time() - start:.2f} s of CPU of the first fit", flush=True)
            for way in arguments.ways:
                mean, seconds = run(copy.deepcopy(first), ratings, WAYS[way], measure)
                shown = f"NDCG@10 {mean:.4f}" if arguments.lists else f"RMSE {np.sqrt(mean):.4f}"
                print(f"{name}, {model}, {way}: {shown}, {seconds:.3f} s of CPU a chunk", flush=True)


if __name__ == "__main__":
    main()

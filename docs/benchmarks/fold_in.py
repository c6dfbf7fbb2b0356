"""RMSE of new users by the number of their ratings that `fold_in` is given, beside that of the average user.

    SKLEARN_MF_DATA=data python docs/benchmarks/fold_in.py [--data ml-1m] [--models default ...]

A fifth of the users, at random, are new: the models are fitted to the ratings of the others. The ratings of
each new user are put in random order; the first n are given, and the others are predicted. Ratings of items
without ratings in fit count too. The last columns are for the average user, the fallback for users without
ratings.
"""

import argparse
import time

import numpy as np
import pandas as pd
from data import DATA, OBSERVED, PAIR, environment

from sklearn_mf import BayesianMFRecommender, MFRecommender

GIVEN = (1, 3, 5, 10, 20, 40)
MODELS = {
    "default": MFRecommender(random_state=0),
    "alpha 0.04": MFRecommender(alpha=0.04, random_state=0),
    "als": MFRecommender(solver="als", random_state=0),
    "observed": MFRecommender(alpha=0.045, **OBSERVED, random_state=0),
    "biases": MFRecommender(0, random_state=0),
    "no biases": MFRecommender(fit_bias=False, random_state=0),
    "Bayesian": BayesianMFRecommender(random_state=0),
}


def parts(ratings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratings of the known users, and of the new ones in random order with the number of each, from 0."""
    users = np.random.default_rng(0).permutation(np.unique(ratings["user"]))
    new = ratings["user"].isin(users[: len(users) // 5])
    shuffled = ratings[new].sample(frac=1, random_state=0)
    return ratings[~new], shuffled.assign(number=shuffled.groupby("user").cumcount())


def predicted(model, given: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    """Clipped ratings of users and items from the folded rows, (n_asked,)."""
    folded = model.fold_in(given[[*PAIR, "rating"]])
    users = np.searchsorted(folded.ids, asked["user"])
    items = pd.Index(model.item_ids_).get_indexer(asked["item"])
    scores = np.empty(len(asked))
    for rows in np.array_split(np.arange(len(asked)), max(1, len(asked) // 5_000)):
        scores[rows] = _scores(model, folded, users[rows], items[rows])
    return np.clip(model.intercept_ + model.scale_ * scores, *model.target_range_)


def _scores(model, folded, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Scores in units of z, means over the draws of a Bayesian model; -1 is an unknown item."""
    if hasattr(model, "embedding_samples_"):
        rows, columns = folded.embedding_samples[:, users], model.embedding_samples_[1][:, items]
        biases = folded.bias_samples[:, users] + model.bias_samples_[1][:, items]
        return (np.einsum("sik,sik->si", rows, columns) + biases).mean(axis=0)
    vectors, biases = model.item_embeddings_[items].astype(float), model.item_biases_[items].astype(float)
    vectors[items < 0], biases[items < 0] = model.average_embeddings_[1], model.average_biases_[1]
    return np.einsum("ik,ik->i", folded.embeddings[users], vectors) + biases + folded.biases[users]


def row(model, new: pd.DataFrame) -> str:
    """RMSE for each number of given ratings, and those of the average user."""
    folded, average = [], []
    for n in GIVEN:
        enough = new.groupby("user")["number"].transform("max") >= n
        given, asked = new[enough & (new["number"] < n)], new[enough & (new["number"] >= n)]
        strangers = asked[PAIR].assign(user=-1)
        for errors, guess in ((folded, predicted(model, given, asked)), (average, model.predict(strangers))):
            errors.append(np.sqrt(np.mean((guess - asked["rating"]) ** 2)))
    return (
        " ".join(f"{value:.4f}" for value in folded) + "   " + " ".join(f"{value:.4f}" for value in average)
    )


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=DATA, default="ml-1m")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    known, new = parts(pd.concat(DATA[arguments.data]()).sort_values(PAIR))
    print(environment())
    print(f"{arguments.data}: {known['user'].nunique()} known users, {new['user'].nunique()} new ones")
    print(f"{'RMSE after ' + ', '.join(map(str, GIVEN)):<22} of the average user")
    for name in arguments.models:
        start = time.perf_counter()
        model = MODELS[name].fit(known[PAIR], known["rating"])
        seconds = time.perf_counter() - start
        print(f"{name:<12} {row(model, new)}   fitted in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()

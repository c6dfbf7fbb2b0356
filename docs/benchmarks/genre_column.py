"""Whether genres as a further column of ids help films without ratings.

    SKLEARN_MF_DATA=data python docs/benchmarks/genre_column.py

A fifth of the films of ML-100K are held out whole. A line is the RMSE of their ratings without genres, with
the genres of the film as a third column of ids, and with a third column that joins user and genres.
"""

import numpy as np
import pandas as pd
from data import PAIR, environment, folder, ml_100k

from sklearn_mf import MFRecommender

FIRST_GENRE = 5  # columns of u.item before the flags of the genres


def genres() -> pd.Series:
    """The genres of each film as a text."""
    items = pd.read_csv(folder() / "ml-100k/u.item", sep="|", header=None, encoding="latin-1", index_col=0)
    flags = items.iloc[:, FIRST_GENRE - 1 :].astype(str)
    return flags.agg("".join, axis=1)


def main() -> None:
    """Print the three errors."""
    ratings = pd.concat(ml_100k(), ignore_index=True)
    kinds = ratings["item"].map(genres())
    both = ratings["user"].astype(str) + " " + kinds
    films = np.random.default_rng(0).permutation(np.unique(ratings["item"]))
    out = ratings["item"].isin(films[: len(films) // 5]).to_numpy()
    columns = {"no genres": None, "genres": kinds, "user and genres": both}
    print(environment())
    for name, column in columns.items():
        X = ratings[PAIR] if column is None else ratings[PAIR].assign(column=column)
        model = MFRecommender(random_state=0).fit(X[~out], ratings.loc[~out, "rating"])
        errors = model.predict(X[out]) - ratings.loc[out, "rating"]
        print(f"{name:<16}{np.sqrt(np.mean(errors**2)):.4f}", flush=True)


if __name__ == "__main__":
    main()

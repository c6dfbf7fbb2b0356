"""Store one fitted estimator of each kind with this version, once for a release:

    python -m tests.stored.write

Predictions, lists, a newcomer's row and predictions after `partial_fit` are stored beside each estimator.
"""

import pickle
from pathlib import Path
from zipfile import ZIP_DEFLATED

import pandas as pd
import skops.io

import sklearn_mf
from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from tests.conftest import low_rank_ratings

FOLDER = Path(__file__).parent
COLUMNS = ["user", "item", "rating"]
ESTIMATORS = {
    "mf": MFRecommender(2, max_iter=5, implicit_features=0, random_state=0),
    "implicit": ImplicitMFRecommender(2, max_iter=5, random_state=0),
    "bayesian": BayesianMFRecommender(2, max_iter=12, burn_in=8, implicit_features=0, random_state=0),
}


def ratings() -> pd.DataFrame:
    """40 ratings by 6 users of 7 items, with text ids."""
    X, y = low_rank_ratings(n_users=6, n_items=7, n_ratings=40)
    table = pd.DataFrame(X, columns=COLUMNS[:2]).assign(rating=y.round(1).clip(0.5, None))
    return table.astype({"user": str, "item": str}).assign(user="user " + table.user.astype(str))


def newcomer() -> pd.DataFrame:
    """Three ratings of a user whom fit has not seen."""
    return pd.DataFrame([["new", "0", 5.0], ["new", "2", 1.0], ["new", "3", 4.0]], columns=COLUMNS)


def results(model) -> dict[str, pd.DataFrame]:
    """What a fitted estimator answers, by the name of its file."""
    pairs = ratings()[COLUMNS[:2]].drop_duplicates(ignore_index=True)
    row = model.fold_in(newcomer()).embeddings[0]
    return {
        "predictions": pairs.assign(prediction=model.predict(pairs)),
        "lists": model.recommend(n=3),
        "newcomer": pd.DataFrame({"embedding": row}),
    }


def updated(model) -> pd.DataFrame:
    """Predictions for a newcomer after `partial_fit` with their ratings, which changes the estimator."""
    table = newcomer()
    return table.assign(prediction=model.partial_fit(table).predict(table[COLUMNS[:2]]))


if __name__ == "__main__":
    folder = FOLDER / sklearn_mf.__version__
    folder.mkdir(exist_ok=True)
    for name, model in ESTIMATORS.items():
        model.fit(ratings())
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        skops.io.dump(model, folder / f"{name}.skops", compression=ZIP_DEFLATED)
        tables = results(model)
        if hasattr(model, "partial_fit"):
            tables["updated"] = updated(model)
        for kind, table in tables.items():
            table.to_csv(folder / f"{name}-{kind}.csv", index=False)

"""Store a fitted estimator of this version: run once a release, `python -m tests.data.make_pickle`."""

import pickle
from pathlib import Path

import pandas as pd

import sklearn_mf
from tests.conftest import low_rank_ratings

if __name__ == "__main__":
    X, y = low_rank_ratings(n_users=6, n_items=5, n_ratings=40)
    table = pd.DataFrame(X, columns=["user", "item"]).assign(user=lambda frame: "u" + frame.user.astype(str))
    model = sklearn_mf.MFRecommender(2, random_state=0).fit(table, y)
    path = Path(__file__).parent / f"mfrecommender-{sklearn_mf.__version__}.pickle"
    path.write_bytes(pickle.dumps({"model": model}, protocol=4))
    table.assign(prediction=model.predict(table)).to_csv(path.with_suffix(".csv"), index=False)

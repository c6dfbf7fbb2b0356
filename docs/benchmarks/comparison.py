"""Runs what the comparison of libraries says of those that install quickly, each in its own environment.

    PYTHON docs/benchmarks/comparison.py implicit|surprise|irspack|rectools|myfm

PYTHON is the interpreter of an environment with the library and pandas. It prints the version, and a line for
each statement with what happened.
"""

import sys
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
import scipy.sparse as sp

sys.path.pop(0)  # this folder has a module with the name of a library
RNG = np.random.default_rng(0)
CELLS = pd.DataFrame(np.argwhere(RNG.random((40, 30)) < 0.3), columns=["user", "item"])
CELLS["rating"] = RNG.integers(1, 6, len(CELLS)).astype(float)
MATRIX = sp.csr_matrix((np.ones(len(CELLS), np.float32), (CELLS["user"], CELLS["item"])), shape=(40, 30))
NAMED = CELLS.assign(user="u" + CELLS["user"].astype(str), item="i" + CELLS["item"].astype(str))


def tried(statement: str, call: Callable[[], object]) -> None:
    """Print what a call gives, or its error."""
    try:
        result = str(call())
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    print(f"  {statement}: {' '.join(result.split())[:110]}")


def implicit() -> None:
    """Lists, new users, updates, reasons; frames of ids are refused."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(8, use_gpu=False, random_state=0)
    model.fit(MATRIX, show_progress=False)
    users = np.arange(3)
    tried("lists for many users", lambda: model.recommend(users, MATRIX[users], N=3)[0].shape)
    tried("a new user", lambda: model.recommend(99, MATRIX[0], N=3, recalculate_user=True)[0])
    tried("new rows of a user", lambda: model.partial_fit_users(np.array([40]), MATRIX[:1]))
    tried("reasons", lambda: model.explain(0, MATRIX, 1, N=2)[1])
    tried("text ids in a frame", lambda: model.fit(NAMED, show_progress=False))


def surprise() -> None:
    """Ratings for any ids; no lists, no standard deviations, no get_params."""
    import surprise as sur

    data = sur.Dataset.load_from_df(NAMED, sur.Reader(rating_scale=(1, 5)))
    model = sur.SVD(n_factors=4, random_state=0).fit(data.build_full_trainset())
    tried("text ids", lambda: model.predict("u1", "i1").est)
    tried("a method for lists", lambda: [name for name in dir(model) if "recommend" in name])
    tried("standard deviations in a prediction", lambda: model.predict("u1", "i1"))
    tried("scikit-learn's methods", lambda: [hasattr(model, name) for name in ("get_params", "set_params")])


def irspack() -> None:
    """Lists, new users, seen items, ids by a mapper; BPR exists."""
    import irspack as irs

    model = irs.IALSRecommender(MATRIX.astype(np.float64), n_components=4, train_epochs=2).learn()
    tried("scores of many users, without seen items", lambda: model.get_score_remove_seen(np.arange(3)).shape)
    tried("a new user", lambda: model.get_score_cold_user(MATRIX[:1].astype(np.float64)).shape)
    mapper = irs.IDMapper([f"u{n}" for n in range(40)], [f"i{n}" for n in range(30)])
    tried("text ids", lambda: mapper.recommend_for_known_user_id(model, "u1", cutoff=2))
    tried("BPR, nearest neighbours", lambda: [name for name in dir(irs) if "BPR" in name or "KNN" in name])


def rectools() -> None:
    """Lists for text ids; new users are refused by ALS; fit_partial exists."""
    from implicit.als import AlternatingLeastSquares
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import ImplicitALSWrapperModel

    names = {"user": Columns.User, "item": Columns.Item, "rating": Columns.Weight}
    table = NAMED.rename(columns=names).assign(**{Columns.Datetime: "2026-01-01"})
    dataset = Dataset.construct(table)
    model = ImplicitALSWrapperModel(AlternatingLeastSquares(4, use_gpu=False)).fit(dataset)
    tried("text ids", lambda: model.recommend(["u1"], dataset, k=2, filter_viewed=True).to_dict("list"))
    tried("an unknown user", lambda: model.recommend(["new"], dataset, k=2, filter_viewed=True))
    tried("fit_partial", lambda: type(model.fit_partial(dataset, epochs=1)).__name__)


def myfm() -> None:
    """Draws are kept; predict returns a mean; there is no get_params."""
    import myfm as fm

    X = sp.csr_matrix(pd.get_dummies(CELLS[["user", "item"]].astype(str)).to_numpy(np.float64))
    model = fm.MyFMRegressor(2, random_seed=0).fit(X, CELLS["rating"].to_numpy(), n_iter=10, n_kept_samples=5)
    tried("a prediction", lambda: model.predict(X[:1]))
    tried("draws", lambda: model.w_samples.shape)
    tried("text ids", lambda: fm.MyFMRegressor(2).fit(NAMED[["user", "item"]], CELLS["rating"].to_numpy()))
    tried("scikit-learn's methods", lambda: [hasattr(model, name) for name in ("get_params", "set_params")])


LIBRARIES = {
    "implicit": (implicit, "implicit"),
    "surprise": (surprise, "scikit-surprise"),
    "irspack": (irspack, "irspack"),
    "rectools": (rectools, "RecTools"),
    "myfm": (myfm, "myfm"),
}

if __name__ == "__main__":
    check, package = LIBRARIES[sys.argv[1]]
    print(f"{package} {version(package)}")
    check()

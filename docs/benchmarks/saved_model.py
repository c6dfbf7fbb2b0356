"""Exported SavedModels beside the estimators: equal lists, scores, size on disk, time of one user's call.

    SKLEARN_MF_DATA=data python docs/benchmarks/saved_model.py [--estimators ...] [--items 100000]

The SavedModels answer in a process that cannot import the package, through `tf.saved_model.load`. The first
1,000 users of fit, an unknown one, and the first 200 users as newcomers with their ratings get lists of 20
items; 5,000 pairs get predictions. "lists" and "new" say whether items and order are equal, "off" is the
largest difference of scores or predictions, "export" and "load" are seconds. "estimator", "function" and
"signature" are milliseconds of a call for one user, the median of 200, from Python, on one thread of
TensorFlow and NumPy. With --items, the last row is of a synthetic model with as many items and users, and
five ratings for each user.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
from data import DATA, PAIR, environment

N, N_USERS, N_NEW, N_CALLS = 20, 1000, 200, 200
NAMES = ["MFRecommender", "ImplicitMFRecommender", "BayesianMFRecommender"]


def estimator(name: str):
    """Recommender of a name; the Bayesian one with 20 draws."""
    import sklearn_mf

    few = {"max_iter": 40, "burn_in": 20, "n_samples": 20, "n_chains": 1} if name.startswith("Bayes") else {}
    return getattr(sklearn_mf, name)(random_state=0, **few)


def synthetic(n_items: int) -> pd.DataFrame:
    """Ratings of as many users, five each."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_items), 5)
    items = (n_items * rng.random(len(users)) ** 2).astype(int)
    items[:n_items] = np.arange(n_items)
    return pd.DataFrame(
        {"user": users, "item": items, "rating": rng.integers(1, 6, len(users)).astype(float)}
    )


def as_text(ratings: pd.DataFrame) -> pd.DataFrame:
    """The same with ids that are text."""
    return ratings.assign(**{name: ratings[name].map((name[0] + "{}").format) for name in PAIR})


def exchange(model, ratings: pd.DataFrame, folder: Path) -> dict[str, float | bool]:
    """Export a model, ask it in another process, and compare."""
    start = time.perf_counter()
    model.to_saved_model(folder / "model")
    exported = time.perf_counter() - start
    users = [*model.user_ids_[:N_USERS].tolist(), "nobody" if isinstance(model.user_ids_[0], str) else -7]
    new = ratings[ratings["user"].isin(model.user_ids_[:N_NEW])]
    pairs = ratings.head(5_000)
    request = {
        "users": users,
        "newcomers": [[group["item"].tolist(), group["rating"].tolist()] for _, group in new.groupby("user")],
        "pairs": [pairs[name].tolist() for name in PAIR],
        "n": N,
    }
    (folder / "request.json").write_text(json.dumps(request))
    command = [sys.executable, __file__, "--answer", str(folder)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    answers = np.load(folder / "answers.npz")
    return compare(model, users, new, pairs, answers) | {
        "export": exported,
        "MB": sum(path.stat().st_size for path in (folder / "model").rglob("*") if path.is_file()) / 1e6,
        "estimator": median_ms(lambda user: model.recommend(user, N), users),
        **{name: float(answers[name]) for name in ("load", "function", "signature")},
    }


def compare(model, users, new, pairs, answers) -> dict[str, float | bool]:
    """Whether items and their order are equal, and the largest differences."""
    tables = {"lists": model.recommend(users, N), "new": model.recommend(ratings=new, n=N)}
    found = {}
    for name, table in tables.items():
        valid = answers[f"{name} ranks"] > 0
        items = answers[f"{name} items"][valid]
        found[name] = np.array_equal(items.astype(table["item"].to_numpy().dtype), table["item"])
        found[f"{name} off"] = np.abs(answers[f"{name} scores"][valid] - table["score"]).max()
    found["predict off"] = np.abs(answers["predictions"] - model.predict(pairs[PAIR])).max()
    return found


def median_ms(call, users: list) -> float:
    """Median time of calls for one user each."""
    times = []
    for number in range(N_CALLS + 10):
        start = time.perf_counter()
        call(users[number % len(users)])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[10:]))


def answer(folder: Path) -> None:
    """Answer the requests by the SavedModel alone."""
    sys.modules["sklearn_mf"] = None  # an import fails
    import tensorflow as tf

    request = json.loads((folder / "request.json").read_text())
    start = time.perf_counter()
    served = tf.saved_model.load(str(folder / "model"))
    answers = {"load": time.perf_counter() - start}
    lists = served.recommend(request["users"], request["n"])
    answers |= {f"lists {name}": plain(value) for name, value in lists.items()}
    new = [
        served.recommend_for_ratings([items], [values], request["n"])
        for items, values in request["newcomers"]
    ]
    for name in new[0]:
        answers[f"new {name}"] = plain(tf.concat([each[name] for each in new], axis=0))
    answers["predictions"] = served.predict(*request["pairs"])["predictions"].numpy()
    answers["function"] = median_ms(lambda user: served.recommend([user], N), request["users"])
    signature = served.signatures["recommend"]
    dtype = signature.structured_input_signature[1]["users"].dtype
    n = tf.constant(N)
    answers["signature"] = median_ms(
        lambda user: signature(users=tf.constant([user], dtype), n=n), request["users"]
    )
    np.savez(folder / "answers.npz", **answers)


def plain(value) -> np.ndarray:
    """A tensor as numbers or text."""
    array = value.numpy()
    return np.char.decode(array.astype(bytes)) if array.dtype == object else array


def run(model, ratings: pd.DataFrame) -> dict[str, float | bool]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return exchange(model.fit(ratings), ratings, Path(folder))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="ml-100k", choices=list(DATA))
    parser.add_argument("--items", type=int, default=0)
    parser.add_argument("--estimators", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--answer")
    arguments = parser.parse_args()
    if arguments.answer:
        return answer(Path(arguments.answer))
    print(environment())
    rows = {}
    for name in arguments.estimators:
        ratings, model = DATA[arguments.data]()[0], estimator(name)
        for kind, table in (("integers", ratings), ("text", as_text(ratings))):
            rows[f"{name.removesuffix('MFRecommender') or 'MF'}, {kind}"] = run(model, table)
    if arguments.items:
        model = estimator("ImplicitMFRecommender")
        rows[f"{arguments.items} items"] = run(model, as_text(synthetic(arguments.items)))
    table = pd.DataFrame(rows)
    print(f"{arguments.data if arguments.estimators else 'synthetic'}; load average {os.getloadavg()[0]:.1f}")
    print(table.T.to_string(float_format="{:.3g}".format))
    return None


if __name__ == "__main__":
    main()

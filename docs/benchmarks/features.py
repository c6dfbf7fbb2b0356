"""What features of films and people add to ratings: ids with ratings, films and people without any, and time.

    SKLEARN_MF_DATA=data python docs/benchmarks/features.py [--part ratings films people time validation]
                                                            [--data ml-100k ml-latest-small ml-1m]

Features are the genres and the year of each film, and the age, sex and occupation of each person.

- `ratings`: test RMSE of the usual test parts of `--data`, for each solver, without features and with those
  of each kind.
- `films`: five folds of the films of ML-100K, each held out whole: RMSE, and NDCG@10 of ratings of at least 4
  when the held-out films alone are ranked. Without features all of them have the same score, and stand in the
  order of their ids; the NDCG of a random order is also given.
- `people`: the same RMSE with five folds of the people held out.
- `time`: seconds of processor time of a sweep or epoch over ML-1M, with features and without, in turns.
- `validation`: the penalty of the effects of features, in ids and in ratings, on validation splits of the
  training parts, where ratings at random or films are held out.

Every setting that is not named is the default; the seed is 0.
"""

import argparse
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from data import DATA, PAIR, environment, films, ml_1m, ml_100k, people
from sklearn.model_selection import KFold

from sklearn_mf import MFRecommender
from sklearn_mf.metrics import ndcg_at_k
from sklearn_mf.recommenders import _fitting as fitting
from sklearn_mf.solvers import _regression_prior as regression_prior
from sklearn_mf.solvers.variational import _relevance as relevance_module
from sklearn_mf.solvers.variational import _solver as variational_module

SOLVERS = {
    "two phases": {},
    "als": {"solver": "als", "unobserved_weight": 0},
    "sgd": {"solver": "sgd", "unobserved_weight": 0},
}
KINDS = {"ids only": (), "films": ("item",), "people": ("user",), "both": ("item", "user")}
Split = tuple[pd.DataFrame, pd.DataFrame]


def fitted(train: pd.DataFrame, name: str, fields: tuple[str, ...], **settings: object) -> MFRecommender:
    """Recommender with the features of films ("item"), people ("user"), both or none."""
    tables = {"item": films(name), "user": people(name)}
    features = {field: tables[field] for field in fields if tables[field] is not None} or None
    return MFRecommender(features=features, random_state=0, **settings).fit(train[PAIR], train["rating"])


def rmse(model: MFRecommender, test: pd.DataFrame) -> float:
    """RMSE of a test part."""
    return float(np.sqrt(np.mean((model.predict(test[PAIR]) - test["rating"]) ** 2)))


def held_out_ids(ratings: pd.DataFrame, field: str) -> Iterator[Split]:
    """Five folds of the ids of a field, held out with all their ratings."""
    ids = np.unique(ratings[field])
    for _, fold in KFold(5, shuffle=True, random_state=0).split(ids):
        mask = ratings[field].isin(ids[fold])
        yield ratings[~mask], ratings[mask]


def ndcg(lists: pd.DataFrame, test: pd.DataFrame) -> float:
    """NDCG@10 of ratings of at least 4."""
    return float(ndcg_at_k(test.loc[test["rating"] >= 4, PAIR], lists, 10))


def cold_lists(model: MFRecommender, test: pd.DataFrame) -> pd.DataFrame:
    """Lists of the held-out items."""
    users = np.intersect1d(test["user"], model.user_ids_)
    return model.recommend(users, 10, candidates=np.unique(test["item"]))


def ordered_lists(test: pd.DataFrame, rng: np.random.Generator | None) -> pd.DataFrame:
    """The same list for each user: held-out items by id, or in a random order for each user."""
    users, items = np.unique(test["user"]), np.unique(test["item"])
    lists = [items[:10] if rng is None else rng.permutation(items)[:10] for _ in users]
    return pd.DataFrame({"user": np.repeat(users, 10), "item": np.concatenate(lists)})


def print_ratings(names: list[str]) -> None:
    """RMSE of the usual test parts."""
    for name in names:
        train, test = DATA[name]()
        kinds = {
            kind: fields for kind, fields in KINDS.items() if people(name) is not None or "user" not in fields
        }
        print(f"\n{name}, test RMSE: " + ", ".join(kinds))
        for solver, settings in SOLVERS.items():
            errors = [rmse(fitted(train, name, fields, **settings), test) for fields in kinds.values()]
            print(f"{solver:<11}" + "".join(f" {error:7.4f}" for error in errors), flush=True)


def print_films(_: list[str]) -> None:
    """Films held out whole."""
    ratings, rng = pd.concat(ml_100k()), np.random.default_rng(0)
    splits = list(held_out_ids(ratings, "item"))
    orders = [np.mean([ndcg(ordered_lists(test, each), test) for _, test in splits]) for each in (None, rng)]
    print(f"\nfilms of ML-100K held out, NDCG@10 in the order of ids {orders[0]:.4f}, random {orders[1]:.4f}")
    for solver, settings in SOLVERS.items():
        for kind in ("ids only", "films", "both"):
            errors, gains = [], []
            for train, test in splits:
                model = fitted(train, "ml-100k", KINDS[kind], **settings)
                errors.append(rmse(model, test))
                gains += [] if kind == "ids only" else [ndcg(cold_lists(model, test), test)]
            line = f"{solver:<11} {kind:<9} RMSE {np.mean(errors):.4f}"
            print(line + (f" NDCG@10 {np.mean(gains):.4f}" if gains else ""), flush=True)


def print_people(_: list[str]) -> None:
    """People held out whole."""
    ratings = pd.concat(ml_100k())
    splits = list(held_out_ids(ratings, "user"))
    print("\npeople of ML-100K held out")
    for solver, settings in SOLVERS.items():
        for kind in ("ids only", "people", "both"):
            errors = [rmse(fitted(train, "ml-100k", KINDS[kind], **settings), test) for train, test in splits]
            print(f"{solver:<11} {kind:<9} RMSE {np.mean(errors):.4f}", flush=True)


def print_time(_: list[str], n_passes: int = 7) -> None:
    """Processor seconds of a pass over ML-1M: medians over passes with features and without, in turns."""
    train, _ = ml_1m()
    print("\nML-1M, processor seconds of a pass: ids only, both, ratio")
    for solver, settings in SOLVERS.items():
        solvers, seconds = [_solver_of(train, fields, settings) for fields in ((), KINDS["both"])], []
        for number in range(n_passes):
            seconds.append([_seconds_of_pass(each, number) for each in solvers])
        for each in solvers:
            each.close()
        without, with_features = np.median(seconds[1:], axis=0)
        print(f"{solver:<11} {without:6.3f} {with_features:6.3f} {with_features / without:5.2f}", flush=True)


def _solver_of(train: pd.DataFrame, fields: tuple[str, ...], settings: dict[str, object]) -> object:
    """Solver of a fit, before its first pass."""
    tables = {"item": films("ml-1m"), "user": people("ml-1m")}
    features = {field: tables[field] for field in fields} or None
    model = MFRecommender(features=features, random_state=0, **settings)
    solver, *_ = fitting._prepare(model, model, train[PAIR], train["rating"], None)
    return solver


def _seconds_of_pass(solver: object, number: int) -> float:
    start = time.process_time()
    solver.run_epoch(number)
    return time.process_time() - start


def print_validation(_: list[str]) -> None:
    """Penalties of the effects of features on validation splits of the training parts."""
    sets = {"ml-100k": ml_100k()[0], "ml-latest-small": DATA["ml-latest-small"]()[0]}
    sets["ml-1m"] = ml_1m()[0].sample(30_000, random_state=0)
    print("\nvalidation: penalty in ids and in ratings, RMSE of ratings at random and of held-out films")
    for name, ratings in sets.items():
        rows = np.random.default_rng(5).permutation(len(ratings))
        n_train = int(0.9 * len(rows))
        splits = [(ratings.iloc[rows[:n_train]], ratings.iloc[rows[n_train:]])]
        splits.append(next(held_out_ids(ratings, "item")))
        for in_ids, in_ratings in ((0.5, 200.0), (2.0, 200.0), (8.0, 200.0), (2.0, 50.0), (2.0, 1000.0)):
            variational_module.CHARGE_IN_IDS = in_ids
            relevance_module.CHARGE_IN_RATINGS = variational_module.CHARGE_IN_RATINGS = in_ratings
            errors = [rmse(fitted(train, name, KINDS["both"]), test) for train, test in splits]
            print(
                f"{name:<16} {in_ids:4g} {in_ratings:4g}" + "".join(f" {e:.4f}" for e in errors), flush=True
            )
    variational_module.CHARGE_IN_IDS = regression_prior.CHARGE_IN_IDS
    relevance_module.CHARGE_IN_RATINGS = variational_module.CHARGE_IN_RATINGS = (
        regression_prior.CHARGE_IN_RATINGS
    )


PARTS = {
    "ratings": print_ratings,
    "films": print_films,
    "people": print_people,
    "time": print_time,
    "validation": print_validation,
}


def main() -> None:
    """Print the chosen parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    warnings.filterwarnings("ignore", "Every id of")  # films held out from a model of ids alone
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    arguments = parser.parse_args()
    print(environment())
    for part in arguments.part:
        PARTS[part](arguments.data)


if __name__ == "__main__":
    main()

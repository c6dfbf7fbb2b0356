"""What each kind of information is worth to BayesianMFRecommender: errors with one kind more than ids.

    SKLEARN_MF_DATA=folder python docs/benchmarks/information.py [ml-100k] [ml-latest-small] [--validate]

ML-100K is the official fold u1; its features are genres and year of films, and age, sex and occupation of
people. ml-latest-small is split 90/10; its features are genres and year of films. The date is a third id
column: the week of a rating, or the quarter for ml-latest-small, known for the ratings of the test part too.
All settings but those named are defaults. With --validate a random tenth of the training part takes the place
of the test part. For each row it prints the RMSE on the test part, the share of test ratings inside the
intervals of 50 % and 90 %, the mean log-probability of the test ratings in their predicted distribution
(rounded to the nearest possible rating), split R-hat and the seconds of the fit.
"""

import argparse
import time

import numpy as np
import pandas as pd
from data import PAIR, environment, films, folder, people, split
from scipy.stats import norm
from sklearn.metrics import root_mean_squared_error

from sklearn_mf import BayesianMFRecommender

DATED = [*PAIR, "period"]
WEEK, QUARTER = 7 * 86_400, 91 * 86_400


def ml_100k() -> list[pd.DataFrame]:
    """Training and test part of u1 with the week of each rating."""
    names = [*PAIR, "rating", "time"]
    paths = (folder() / f"ml-100k/u1.{part}" for part in ("base", "test"))
    return with_period(*(pd.read_csv(path, sep="\t", names=names) for path in paths), WEEK)


def ml_latest_small() -> list[pd.DataFrame]:
    """Training and test part with the quarter of each rating."""
    ratings = pd.read_csv(folder() / "ml-latest-small/ratings.csv")
    ratings.columns = [*PAIR, "rating", "time"]
    return with_period(*split(ratings), QUARTER)


def with_period(train: pd.DataFrame, test: pd.DataFrame, seconds: int) -> list[pd.DataFrame]:
    """Both parts with the number of the period of each rating."""
    return [part.assign(period=part["time"] // seconds) for part in (train, test)]


DATA = {"ml-100k": ml_100k, "ml-latest-small": ml_latest_small}


Row = tuple[list[str], dict[str, object]]


def settings(data: str) -> dict[str, Row]:
    """Columns of X and parameters of each row of the table."""
    tables = {"item": films(data), "user": people(data)}
    given = {column: table for column, table in tables.items() if table is not None}
    ids_only = {"implicit_features": 0}
    rows: dict[str, Row] = {
        "ids only": (PAIR, ids_only),
        "+ features of films": (PAIR, ids_only | {"features": {"item": tables["item"]}}),
        "+ features of people": (PAIR, ids_only | {"features": {"user": tables["user"]}}),
        "+ who rated what (default)": (PAIR, {}),
        "+ date": (DATED, ids_only),
        '+ likelihood="ordinal"': (PAIR, ids_only | {"likelihood": "ordinal"}),
        "everything but ordinal": (DATED, {"features": given}),
        "everything": (DATED, {"features": given, "likelihood": "ordinal"}),
    }
    return {name: row for name, row in rows.items() if "user" in given or "people" not in name}


def log_probability(model: BayesianMFRecommender, X: pd.DataFrame, y: pd.Series) -> float:
    """Mean log-probability of ratings under normal predictions rounded to ratings, or ordered categories."""
    levels = np.unique(y)
    place = np.searchsorted(levels, y)
    if model.likelihood == "ordinal":
        probabilities = model.predict_distribution(X)[levels].to_numpy()
    else:
        mean, std = model.predict(X, return_std=True)
        bounds = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
        probabilities = np.diff(norm.cdf((bounds - mean[:, None]) / std[:, None]), axis=1)
    return float(np.log(probabilities[np.arange(len(y)), place]).mean())


def measured(train: pd.DataFrame, test: pd.DataFrame, columns: list[str], choice: dict) -> dict[str, float]:
    """Figures of one row."""
    started = time.perf_counter()
    model = BayesianMFRecommender(random_state=0, **choice).fit(train[columns], train["rating"])
    seconds = time.perf_counter() - started
    X, y = test[columns], test["rating"]
    inside = {}
    for coverage in (0.5, 0.9):
        lower, upper = model.predict_interval(X, coverage).T
        inside[f"in {coverage:.0%}"] = float(((lower <= y) & (y <= upper)).mean())
    figures = {"RMSE": root_mean_squared_error(y, model.predict(X)), **inside}
    figures |= {"log p": log_probability(model, X, y), "R-hat": model.r_hat_, "fit s": seconds}
    return figures


def main() -> None:
    """Print a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="*", default=list(DATA))
    parser.add_argument("--validate", action="store_true")
    arguments = parser.parse_args()
    print(environment())
    for data in arguments.data:
        train, test = DATA[data]()
        if arguments.validate:
            train, test = split(train)
        print(f"\n{data}{' (validation)' if arguments.validate else ''}")
        for name, (columns, choice) in settings(data).items():
            figures = measured(train, test, columns, choice)
            print(
                f"{name:<28}", *(f"{key} {value:.4g}" for key, value in figures.items()), sep="  ", flush=True
            )


if __name__ == "__main__":
    main()

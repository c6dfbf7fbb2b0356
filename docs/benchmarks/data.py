"""Real rating data for the benchmarks, read from the folder that SKLEARN_MF_DATA names, and their splits."""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

PAIR = ["user", "item"]
# MFRecommender on the observed ratings alone.
OBSERVED = {"unobserved_weight": 0, "prior_ratings": 0}
BEST_SETTINGS = Path(__file__).with_name("best_settings.json")


def folder() -> Path:
    """Folder with ml-100k/, ml-1m/, ml-latest-small/ as GroupLens publishes them; exits with a reason."""
    path = Path(os.environ.get("SKLEARN_MF_DATA", "."))
    if not (path / "ml-100k").is_dir():
        sys.exit("skipped: SKLEARN_MF_DATA does not name a folder with ml-100k, ml-1m and ml-latest-small")
    return path


def ml_100k(fold: str = "u1") -> tuple[pd.DataFrame, pd.DataFrame]:
    """An official fold of ML-100K: u1 to u5."""
    names = [*PAIR, "rating", "time"]
    parts = (
        pd.read_csv(folder() / f"ml-100k/{fold}.{part}", sep="\t", names=names) for part in ("base", "test")
    )
    train, test = (part[[*PAIR, "rating"]] for part in parts)
    return train, test


def ml_1m() -> tuple[pd.DataFrame, pd.DataFrame]:
    """ML-1M, 90/10."""
    path = folder() / "ml-1m"
    if (path / "ratings.dat").exists():
        names = [*PAIR, "rating", "time"]
        ratings = pd.read_csv(path / "ratings.dat", sep="::", engine="python", names=names)
    else:
        ratings = pd.read_csv(path / "ratings_no_timestamp.csv.gz")
    return split(ratings[[*PAIR, "rating"]])


def ml_latest_small() -> tuple[pd.DataFrame, pd.DataFrame]:
    """ml-latest-small, 90/10."""
    ratings = pd.read_csv(folder() / "ml-latest-small/ratings.csv")
    return split(ratings.rename(columns={"userId": "user", "movieId": "item"})[[*PAIR, "rating"]])


def split(ratings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """First 90 % of `numpy.random.default_rng(0).permutation(n)` to train on, the rest to test on."""
    order = np.random.default_rng(0).permutation(len(ratings))
    n_train = int(0.9 * len(ratings))
    return ratings.iloc[order[:n_train]], ratings.iloc[order[n_train:]]


DATA: dict[str, Callable[[], tuple[pd.DataFrame, pd.DataFrame]]] = {
    "ml-1m": ml_1m,
    "ml-100k": ml_100k,
    "ml-latest-small": ml_latest_small,
}


def films(name: str) -> pd.DataFrame:
    """Year and genres (lists) of the films of a set, with their ids in the column "item"."""
    if name == "ml-100k":
        table = pd.read_csv(folder() / "ml-100k/u.item", sep="|", header=None, encoding="latin-1")
        flags, year = table.iloc[:, 5:].to_numpy(dtype=bool), table[2].str[-4:]
        genres = [[str(number) for number in np.flatnonzero(row)] for row in flags]
    elif name == "ml-1m":
        path = folder() / "ml-1m/movies.dat"
        table = pd.read_csv(path, sep="::", header=None, encoding="latin-1", engine="python")
        genres, year = table[2].str.split("|"), table[1].str.extract(r"\((\d{4})\)\s*$")[0]
    else:
        table = pd.read_csv(folder() / "ml-latest-small/movies.csv")
        genres, year = table["genres"].str.split("|"), table["title"].str.extract(r"\((\d{4})\)\s*$")[0]
    return pd.DataFrame({"item": table.iloc[:, 0], "year": year.astype(float), "genres": genres})


def people(name: str) -> pd.DataFrame | None:
    """Age, sex and occupation of the users of a set, with their ids in the column "user"; or None."""
    if name == "ml-latest-small":
        return None
    if name == "ml-100k":
        columns = ["user", "age", "sex", "occupation", "zip"]
        table = pd.read_csv(folder() / "ml-100k/u.user", sep="|", names=columns)
    else:
        columns = ["user", "sex", "age", "occupation", "zip"]
        table = pd.read_csv(folder() / "ml-1m/users.dat", sep="::", names=columns, engine="python")
        table = table.astype({"age": str, "occupation": str})  # groups of ages, numbers of occupations
    return table[["user", "age", "sex", "occupation"]]


def environment(*packages: str) -> str:
    """One line on the machine and the versions."""
    found = []
    for package in (
        "sklearn-mf",
        "tensorflow",
        "tensorflow-cpu",
        "scikit-learn",
        "numpy",
        "pandas",
        *packages,
    ):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}, {', '.join(found)}"
    )

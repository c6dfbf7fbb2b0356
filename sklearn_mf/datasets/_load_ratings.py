"""Ratings from a file."""

import csv
import gzip
import os
import re
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd

from sklearn_mf.datasets._text import MARK, SPACES, naming_file_in_errors, read_table
from sklearn_mf.utils._sklearn_compat import validate_params

# What the columns are called in headers; a column without a header is called by the word on the left.
WORDS = {
    "user": "user|customer|reviewer|member|person|account|uid",
    "item": "item|movie|film|product|book|isbn|song|track|artist|album|business|asin|iid",
    "rating": "rating|star|score|value|grade|overall|weight",
    "time": "timestamp|datetime|time|date",
}
SEPARATORS = ("::", "\t", ";", ",", "|", SPACES)
N_LINES = 20  # read to find out how the file is written


@validate_params(
    {
        "path": [str, os.PathLike],
        "columns": ["array-like", None],
        "sep": [str, None],
        "return_time": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_ratings(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str | int] | None = None,
    sep: str | None = None,
    return_time: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.Series]:
    """Load ratings from a file of text or from a Parquet file.

    Reads ``u.data`` (tabs), ``ratings.dat`` (``::``), ``ratings.csv`` and files like them, with or without a
    header, compressed by gzip or not.

    Parameters
    ----------
    path : str or path-like
        The file. A name that ends in ".gz" says that it is compressed, one that ends in ".parquet" or ".pq"
        that it is a Parquet file. Text is UTF-8.
    columns : sequence of str or int, default=None
        Names in the header, or positions from 0, of user, item and rating, and of the time as well with
        `return_time=True`. None takes the first columns of a file without a header, and guesses by name in
        one with a header: "userId", "movie_id", "stars" and the like.
    sep : str, default=None
        What stands between two fields of text; ``r"\\s+"`` is any number of spaces. None looks at the first
        lines for ``::``, a tab, a semicolon, a comma, a bar or spaces.
    return_time : bool, default=False
        Return when the ratings were given as well.

    Returns
    -------
    ratings : DataFrame of shape (n_ratings, 3)
        User, item and rating in this order, ready for `fit(ratings)`, under their names in the header, or
        "user", "item" and "rating" where there is none. Ids in text are integers where all in the column
        are, and else text as it stands in the file: "007" among names stays "007", and "NA" is a name. Where
        all are digits, leading zeros are lost: read such a file with `pandas.read_csv(path, dtype=str)`.
    time : Series of shape (n_ratings,)
        Only with `return_time=True`: the time as it stands in the file, such as seconds since 1970. It fits
        into the `groups` of a splitter.

    Raises
    ------
    ValueError
        Where the file is not understood: no three columns, names that fit no column or several, a row that
        lacks a value, ratings that are not numbers, no rating at all, broken compression. The sentence names
        the file and says what was found in it.
    OSError
        Where there is no such file.
    ImportError
        Where the file is a Parquet file and pyarrow is not installed.

    See Also
    --------
    fetch_movielens : The MovieLens ratings from their source.
    make_ratings : Ratings whose truth is known.

    Notes
    -----
    A first line without any number is taken for a header. What this function does not understand,
    :func:`pandas.read_csv` reads with the right options; `fit` takes any DataFrame.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_mf.datasets import load_ratings
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "ratings.csv")
    ...     _ = path.write_text("when,stars,userId,film\\n881250949,4,ann,242\\n881250953,2.5,bob,302\\n")
    ...     ratings, time = load_ratings(path, columns=["userId", "film", "stars", "when"], return_time=True)
    >>> ratings
      userId  film  stars
    0    ann   242    4.0
    1    bob   302    2.5
    >>> time.tolist()
    [881250949, 881250953]
    """
    path = Path(path)
    kinds = list(WORDS)[: 3 + return_time]
    if columns is not None and len(columns) != len(kinds):
        raise ValueError(
            f"columns must name {', '.join(kinds)}, {len(kinds)} columns with return_time={return_time}, "
            f"got {list(columns)!r}."
        )
    with naming_file_in_errors(path):
        read = _read_parquet if path.suffix in (".parquet", ".pq") else _read_text
        table = read(path, columns, kinds, sep)
        _check(table)
    return (table.iloc[:, :3], table.iloc[:, 3]) if return_time else table


def _read_parquet(
    path: Path, columns: Sequence[str | int] | None, kinds: list[str], sep: str | None
) -> pd.DataFrame:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            f"{path} is a Parquet file, which pandas reads by means of pyarrow: pip install pyarrow."
        ) from error
    names = parquet.read_schema(path).names
    chosen = [names[place] for place in _places(names, columns, kinds)]
    return pd.read_parquet(path, columns=chosen, engine="pyarrow").reset_index()[chosen]


def _read_text(
    path: Path, columns: Sequence[str | int] | None, kinds: list[str], sep: str | None
) -> pd.DataFrame:
    lines = _first_lines(path)
    sep = sep or _separator(lines)
    n_blank = next(place for place, line in enumerate(lines) if line.strip())
    first, *others = [[field.strip() for field in fields] for fields in _split(lines, sep)]
    has_header = _is_header(first, columns)
    if has_header:
        _check_header(first, others)
    if columns is None and not has_header:
        columns = range(len(kinds))
    places = _places(first, columns, kinds)
    names = [first[place] for place in places] if has_header else kinds
    skiprows = n_blank + 1 if has_header else 0
    return _read_columns(path, places, sep=sep, skiprows=skiprows).set_axis(names, axis=1)


def _read_columns(path: Path, places: list[int], **options: Any) -> pd.DataFrame:
    """The columns at `places`, in this order, with ids that are integers or text."""

    def read(dtype: Any = None) -> pd.DataFrame:
        """Read them, as numbers where they look like it or as the types that are given."""
        with _opened(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # of columns that are read again
            return read_table(file, header=None, usecols=places, dtype=dtype, **options)

    options |= {"skipinitialspace": True, "encoding": "utf-8-sig"}
    table = read()
    # The file is read in parts, and what looks like numbers in one part may be text in another. Fractions and
    # truth values are text where they are ids.
    text = [place for place in places if table[place].dtype == object]
    text += [place for place in places[:2] if table[place].dtype.kind in "fb"]
    return (read(dict.fromkeys(text, str)) if text else table)[places]


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb"))


def _first_lines(path: Path) -> list[str]:
    with _opened(path) as file:
        lines = [line.decode("utf-8-sig").rstrip("\r\n") for line in islice(file, N_LINES)]
    if not any(line.strip() for line in lines):
        raise ValueError("it is empty.")
    return lines


def _split(lines: list[str], sep: str) -> list[list[str]]:
    """Fields of each line that is not empty."""
    lines = [line for line in lines if line.strip()]
    if sep == SPACES:
        return [line.split() for line in lines]
    return list(
        csv.reader((line.replace(sep, MARK) for line in lines), delimiter=MARK, skipinitialspace=True)
    )


def _separator(lines: list[str]) -> str:
    """What cuts the most lines into three fields or more."""
    n_cut = {sep: sum(len(fields) > 2 for fields in _split(lines, sep)) for sep in SEPARATORS}
    best = max(SEPARATORS, key=lambda sep: n_cut[sep])
    if not n_cut[best]:
        raise ValueError(
            f"its first lines, such as {lines[0][:80]!r}, are not user, item, rating between tabs, commas, "
            "semicolons, bars, spaces or '::'. Pass sep."
        )
    return best


def _is_header(first: list[str], columns: Sequence[str | int] | None) -> bool:
    named = columns is not None and any(isinstance(column, str) for column in columns)
    return named or not any(re.fullmatch(r"[-+]?\.?\d[\d.eE+-]*", field) for field in first)


def _check_header(header: list[str], rows: list[list[str]]) -> None:
    if not rows:
        raise ValueError(f"it holds no rating, only the header {header}.")
    if len(rows[0]) > len(header) and rows[0][-1]:  # row names, as R writes them; else a separator at the end
        raise ValueError(
            f"its header {header} names {len(header)} columns, but its first row {rows[0]} has "
            f"{len(rows[0])}: name the others too."
        )


def _places(names: list[str], columns: Sequence[str | int] | None, kinds: list[str]) -> list[int]:
    """Positions of the wanted columns among those called `names`."""
    if columns is None:
        return _guesses(names, kinds)
    places = [names.index(column) if column in names else column for column in columns]
    for place in places:
        if isinstance(place, str) or not 0 <= place < len(names):
            raise ValueError(f"it has no column {place!r}, its first line is {names}.")
    if len(set(places)) < len(places):
        raise ValueError(f"columns={list(columns)} names a column twice.")
    return [int(place) for place in places]


def _guesses(names: list[str], kinds: list[str]) -> list[int]:
    found = {kind: _matches(names, WORDS[kind]) for kind in kinds}
    places = [matches[0] for matches in found.values() if len(matches) == 1]
    if len(set(places)) < len(kinds):
        told = ", ".join(f"{kind} in {[names[place] for place in found[kind]]}" for kind in kinds)
        raise ValueError(
            f"its header {names} does not name one column each for {', '.join(kinds)}; found {told}. "
            "Pass columns, the names or positions of these columns."
        )
    return places


def _matches(names: list[str], words: str) -> list[int]:
    """Positions of names that are one of the words, with or without "id"; else of those that hold one.

    What counts is whole words, as in "unixReviewTime": "start" is no star.
    """
    exact = re.compile(rf"({words})s?[\W_]*(ids?|key|number)?", re.IGNORECASE)
    places = [place for place, name in enumerate(names) if exact.fullmatch(name)]
    wanted = set(words.split("|"))
    return places or [place for place, name in enumerate(names) if wanted & _words_in(name)]


def _words_in(name: str) -> set[str]:
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return {*words, *(word.removesuffix("s") for word in words)}


def _check(table: pd.DataFrame) -> None:
    """Refuse rows that lack a value, and ratings that are not numbers."""
    if table.empty:
        raise ValueError("it holds no rating.")
    lacking = table.isna().to_numpy().any(axis=1)
    if lacking.any():
        row = int(np.argmax(lacking))
        raise ValueError(f"row {row} lacks a value: {table.iloc[[row]].to_dict('records')[0]}.")
    rating = table.iloc[:, 2]
    if not pd.api.types.is_numeric_dtype(rating) or pd.api.types.is_bool_dtype(rating):
        row = int(np.argmax(pd.to_numeric(rating.astype(str), errors="coerce").isna()))
        raise ValueError(f"its ratings are not all numbers, {rating.iloc[row]!r} in row {row} is not.")
    if not np.isfinite(rating).all():
        raise ValueError("its ratings are not all numbers, one is infinite.")

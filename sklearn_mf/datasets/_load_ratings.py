"""Ratings from a file."""

import codecs
import csv
import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_mf.datasets._content import is_parquet, read_text
from sklearn_mf.datasets._delimited import (
    BREAK,
    Table,
    check_breaks,
    check_widths,
    is_number,
    read_lines,
)
from sklearn_mf.datasets._text import MARK, naming_file_in_errors
from sklearn_mf.utils._sklearn_compat import validate_params

# Words in the names of columns, by which a header is understood; a column without a name gets the key.
WORDS = {
    "user": "user|customer|reviewer|member|person|account|uid",
    "item": "item|movie|film|product|book|isbn|song|track|artist|album|business|asin|iid",
    "rating": "rating|star|score|value|grade|overall|weight",
    "time": "timestamp|datetime|time|date",
}


@validate_params(
    {
        "path": [str, os.PathLike],
        "columns": ["array-like", None],
        "sep": [str, None],
        "return_time": ["boolean"],
        "encoding": [str],
    },
    prefer_skip_nested_validation=True,
)
def load_ratings(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str | int] | None = None,
    sep: str | None = None,
    return_time: bool = False,
    encoding: str = "utf-8",
) -> pd.DataFrame | tuple[pd.DataFrame, pd.Series]:
    """Load ratings from a text file or a Parquet file.

    The function reads files such as ``u.data`` (tabs), ``ratings.dat`` (``::``) and ``ratings.csv``, with or
    without a header, and compressed by gzip, bz2, xz or zip or not compressed.

    Parameters
    ----------
    path : str or path-like
        The file. Parquet files and compressed files are recognised by their first bytes. A zip archive must
        hold a single file.
    columns : sequence of str or int, default=None
        Names in the header, or positions from 0, of user, item and rating, and of the time as well with
        `return_time=True`. With None, the columns are guessed from the names in the header, such as
        "userId", "movie_id" and "stars"; in a file without a header they are the first columns.
    sep : str, default=None
        Delimiter of a text file; ``r"\\s+"`` is any number of spaces and tabs. With None, the delimiter is
        guessed from the first lines: ``::``, a tab, a semicolon, a comma, a bar or spaces.
    return_time : bool, default=False
        Whether to return the times of the ratings as well.
    encoding : str, default="utf-8"
        Encoding of a text file, such as "latin-1". A byte order mark of UTF-8, UTF-16 or UTF-32 at the start
        of the file takes precedence.

    Returns
    -------
    ratings : DataFrame of shape (n_ratings, 3)
        User, item and rating in this order, ready for `fit(ratings)`. The columns have their names in the
        header, or are called "user", "item" and "rating" in a file without a header. In a text file, ids are
        integers if all ids of the column are integers, and text as in the file otherwise: "007" among names
        stays "007", and "NA" is a name. A column of digits loses its leading zeros: read such a file with
        `pandas.read_csv(path, dtype=str)`.
    time : Series of shape (n_ratings,)
        Times as in the file, for example seconds since 1970; only with `return_time=True`. It can be passed
        as `groups` to a splitter.

    Raises
    ------
    ValueError
        If the file cannot be read without a guess: a line with more or fewer fields than the header, an
        unbalanced quotation mark, no three columns, names that match no column or several, a missing value,
        ratings that are not numbers, no rating at all, another encoding, or an unknown or damaged format.
        The message names the file, the line if it is one, and what was found.
    OSError
        If there is no such file.
    ImportError
        If the file is a Parquet file and pyarrow is not installed.

    See Also
    --------
    fetch_movielens : Download the MovieLens ratings.
    make_ratings : Generate ratings of a known low rank.

    Notes
    -----
    The first line is a header if none of its fields is a number. Blank lines are skipped, and each other line
    after the header is one rating.

    In files with commas or semicolons, a field that starts with a quotation mark is a quoted field as defined
    in RFC 4180. It may hold line breaks, unless one of its lines would be a rating by itself. In files with
    another delimiter, a quotation mark is an ordinary character, unless all quotation marks in the file
    enclose fields. This is the case if each column is quoted either throughout or only where a field holds a
    delimiter or a quotation mark.

    :func:`pandas.read_csv` reads other files with the right options, and `fit` accepts any DataFrame.

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
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(
            f"encoding={encoding!r} is not known to Python: pass the name of an encoding, such as 'latin-1'."
        ) from error
    with naming_file_in_errors(path):
        if is_parquet(path):
            table = _read_parquet(path, columns, kinds)
        else:
            table = _read_text(path, columns, kinds, sep, encoding)
        _check(table)
    return (table.iloc[:, :3], table.iloc[:, 3]) if return_time else table


def _read_parquet(path: Path, columns: Sequence[str | int] | None, kinds: list[str]) -> pd.DataFrame:
    """The wanted columns of a Parquet file, an index among them or not."""
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
    path: Path, columns: Sequence[str | int] | None, kinds: list[str], sep: str | None, encoding: str
) -> pd.DataFrame:
    """The wanted columns of a file of text, once each of its lines has as many fields as it should."""
    table = read_lines(read_text(path, encoding), sep)
    first = table.fields(0)
    header = _header(first) if _is_header(first, columns) else None
    if header and len(table.starts) == 1:
        raise ValueError(f"it holds no rating, only the header {header}.")
    check_widths(table, header)
    if columns is None and header is None:
        columns = range(len(kinds))
    places = _places(header or first, columns, kinds)
    check_breaks(table, len(header or first), places[2])
    names = [header[place] for place in places] if header else kinds
    return _read_columns(table, places, header is not None).set_axis(names, axis=1)


def _read_columns(table: Table, places: list[int], has_header: bool) -> pd.DataFrame:
    """The columns at `places`, in this order, with ids that are integers or text."""
    n_skipped = table.text.count(b"\n", 0, int(table.starts[int(has_header)]))

    def read(dtype: Mapping[int, type[str]] | None = None) -> pd.DataFrame:
        """Read them as numbers where they look like it, or as the types that are given."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # of columns that are read again
            return pd.read_csv(
                io.BytesIO(table.text),
                sep=MARK,
                header=None,
                usecols=places,
                dtype=dtype,
                skiprows=n_skipped,
                skipinitialspace=True,
                quoting=csv.QUOTE_NONE,
                keep_default_na=False,  # only an empty field is missing: "NA" is text
                na_values=[""],
            )

    ratings = read()
    # The file is read in parts, and a column may be numbers in one part and text in another. Fractions and
    # truth values are text where they are ids.
    text = [place for place in places if ratings[place].dtype == object]
    text += [place for place in places[:2] if ratings[place].dtype.kind in "fb"]
    if text:
        ratings = read(dict.fromkeys(text, str))
    if BREAK.encode() in table.text:
        ratings = ratings.replace(BREAK, "\n", regex=True)
    return ratings[places]


def _is_header(first: list[str], columns: Sequence[str | int] | None) -> bool:
    """Whether the first line is a header: `columns` holds names, or no field is a number."""
    named = columns is not None and any(isinstance(column, str) for column in columns)
    return named or not any(map(is_number, first))


def _header(first: list[str]) -> list[str]:
    """Names of the columns, without an empty one at the end."""
    return first[:-1] if not first[-1] else first


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
    """Positions of the columns whose names hold the words of each kind."""
    found = {kind: _matches(names, WORDS[kind]) for kind in kinds}
    places = [matches[0] for matches in found.values() if len(matches) == 1]
    if len(set(places)) < len(kinds):
        matches = ", ".join(f"{kind} in {[names[place] for place in found[kind]]}" for kind in kinds)
        raise ValueError(
            f"its header {names} does not name one column each for {', '.join(kinds)}; found {matches}. "
            "Pass columns, the names or positions of these columns."
        )
    return places


def _matches(names: list[str], words: str) -> list[int]:
    """Positions of names that equal a word, with or without "id", or else of those that contain one.

    Words are whole words, as in "unixReviewTime": "start" does not contain "star".
    """
    exact = re.compile(rf"({words})s?[\W_]*(ids?|key|number)?", re.IGNORECASE)
    places = [place for place, name in enumerate(names) if exact.fullmatch(name)]
    wanted = set(words.split("|"))
    return places or [place for place, name in enumerate(names) if wanted & _words_in(name)]


def _words_in(name: str) -> set[str]:
    """Words of a name in lower case, with and without a final "s"."""
    words = [word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return {*words, *(word.removesuffix("s") for word in words)}


def _check(table: pd.DataFrame) -> None:
    """Refuse rows with a missing value, and ratings that are not numbers."""
    if table.empty:
        raise ValueError("it holds no rating.")
    lacking = table.isna().to_numpy().any(axis=1)
    if lacking.any():
        row = int(np.argmax(lacking))
        raise ValueError(f"row {row} lacks a value: {table.iloc[[row]].to_dict('records')[0]}.")
    rating = table.iloc[:, 2]
    if not pd.api.types.is_numeric_dtype(rating) or pd.api.types.is_bool_dtype(rating):
        row = int(np.argmax(pd.to_numeric(rating.astype(str), errors="coerce").isna()))
        raise ValueError(
            f"its ratings are not all numbers, {rating.iloc[row]!r} in row {row} is not: pass columns "
            f"unless user, item and rating are {list(table)[:3]}, and write numbers with a decimal point."
        )
    if not np.isfinite(rating).all():
        raise ValueError("its ratings are not all numbers, one is infinite.")

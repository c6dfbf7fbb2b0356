"""Odd tables of ratings for the fuzzer: kinds of ids, schemes of ratings, forms of tables, and faults."""

import datetime
import decimal
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st

LONG = "x" * 20_000


class Kind(NamedTuple):
    """A kind of ids.

    Parameters
    ----------
    known : list of 6 ids
        Ids that tables for fits have.
    unknown : list of ids
        Ids that only later tables have.
    dtype : dtype of pandas or None
        Type of their columns; None leaves it to pandas.
    """

    known: list
    unknown: list
    dtype: object = None


def _days(unit="D"):
    return [np.datetime64("2020-01-01", unit) + 40 * day for day in range(8)]


def _split(ids, dtype=None):
    return Kind(list(ids[:6]), list(ids[6:8]), dtype)


KINDS = {
    "integers": _split([3, 1, 7, 5, 2, 11, 4, 100]),
    "negative integers": _split([-3, 0, -7, 5, -(2**62), 2**62, 4, -100]),
    "text": _split(["ann", "bob", "", "Ünï", "a b", "1", "zed", "2"]),
    "floats": _split([0.5, 1.0, -2.25, 1e300, 3.0, -0.0, 7.5, 9.0]),
    "booleans": Kind([True, False], [3, "x"]),
    "mixed": _split([1, "1", "ann", 2.5, 7, ("a", 1), 3, "3"], object),
    "objects of integers": _split([10**30, 2, 3, 4, 5, 6, 7, 10**31], object),
    "dates": _split(_days(), "datetime64[s]"),
    "dates with a zone": _split([pd.Timestamp(2020, 1, day, tz="Europe/Paris") for day in range(1, 9)]),
    "days": _split([datetime.date(2020, 1, day) for day in range(1, 9)], object),
    "durations": _split([np.timedelta64(day, "s") for day in (1, 5, 3, 2, 8, 9, 4, 7)], "timedelta64[s]"),
    "categories": _split(list("fbdacegh"), pd.CategoricalDtype(list("zfbdacegh"))),
    "ordered numbers": _split(
        [3, 1, 2, 6, 5, 4, 7, 8], pd.CategoricalDtype([3, 1, 2, 6, 5, 4, 7, 8, 9], True)
    ),
    "nullable integers": _split([3, 1, 2, 6, 5, 4, 7, 8], "Int64"),
    "small integers": _split([3, 1, 2, 200, 5, 4, 7, 8], "uint8"),
    "nullable text": _split(["ann", "bob", "", "c", "d", "e", "zed", "y"], "string"),
    "long text": _split([LONG + end for end in "abcdefgh"]),
    "bytes": _split([b"a", b"b", b"c", b"", b"\x00", b"f", b"g", b"h"], object),
    "decimals": _split([decimal.Decimal(n) / 4 for n in (3, 1, 2, 6, 5, 4, 7, 8)], object),
    "unique ids": _split([uuid.UUID(int=n) for n in (3, 1, 2, 6, 5, 4, 7, 8)], object),
    "periods": _split(list(pd.period_range("2020-01", periods=8, freq="M"))),
}
# Ratings that any of the recommenders takes, and others that it may refuse.
RATINGS = {
    "stars": [1.0, 2.0, 3.0, 4.0, 5.0],
    "halves": [0.5, 1.5, 2.0, 4.5, 5.0],
    "constant": [3.0],
    "whole": [1, 2, 3, 4],
    "small": [1e-3, 2e-3],
    "large": [1e6, 2e6, 5e6],
}
ODD_RATINGS = {
    "zeros": [0.0],
    "negative": [-1.0, 0.0, 1.0],
    "tiny": [1e-300, 2e-300, 5e-324],
    "huge": [1e99, -1e99, 1e50],
    "mixed sizes": [1e-12, 1.0, 1e12],
    "booleans": [True, False],
    "too large": [1e308, 1.0],
    "text": ["4", "5"],
    "missing": [float("nan"), 3.0],
    "infinite": [float("inf"), 3.0],
    "objects": [None, 3],
    "complex": [1j, 2.0],
    "dates": [np.datetime64("2020-01-01"), np.datetime64("2020-01-02")],
    "lists": [[1], [2]],
}


SIZES = st.sampled_from([5, 3, 8, 1, 2, 12])
SCHEMES, ODD_SCHEMES = st.sampled_from(list(RATINGS)), st.sampled_from(list(ODD_RATINGS))


def keys(column):
    """The ids of a column as Python objects, equal where the recommender takes them for equal."""
    return pd.Series(column).tolist()


def column(ids, dtype=None):
    """Ids as a column; objects where pandas cannot infer a type that keeps them."""
    if dtype is None and len({type(each) for each in ids}) != 1:
        dtype = object
    return pd.Series(ids, dtype=dtype)


@dataclass(frozen=True)
class Table:
    """A table of ratings.

    Parameters
    ----------
    X : table of any form
        Ids.
    y : array-like or None
        Ratings.
    weights : array-like or None
        Sample weights.
    pairs : list of (user, item, rating, weight)
        The rows as Python objects.
    faults : tuple of str
        Faults of the table and odd ratings, for which a call may refuse it.
    """

    X: Any
    y: Any
    weights: Any
    pairs: list
    faults: tuple[str, ...] = ()

    def __repr__(self):
        return f"{self.faults} {self.X!r} {self.y!r} {self.weights!r}"[:2000]

    @property
    def ids(self):
        """The columns of ids alone."""
        has_ratings = not self.faults and isinstance(self.X, pd.DataFrame) and self.y is None
        return self.X.iloc[:, :2] if has_ratings else self.X

    @property
    def in_three_columns(self):
        """Ids and ratings in one table, where the table has no fault."""
        if self.faults or self.y is None:
            return self.X
        if isinstance(self.X, pd.DataFrame):
            return self.X.assign(stars=np.asarray(self.y))
        rows = [[*row, rating] for row, rating in zip(self.X, self.y, strict=True)]
        return rows if isinstance(self.X, list) else np.array(rows, dtype=object)

    @property
    def arguments(self):
        """X, y and sample_weight."""
        return self.X, self.y, self.weights


def _frame(frame, y):
    return frame, y


def _three_columns(frame, y):
    return frame.assign(stars=np.asarray(y)), None


def _shuffled_index(frame, y):
    index = np.arange(len(frame))[::-1] % 3
    return frame.set_axis(index), pd.Series(np.asarray(y), index=index[::-1])


def _array_of_objects(frame, y):
    array = np.empty(frame.shape, dtype=object)
    for place in range(frame.shape[1]):
        array[:, place] = np.fromiter(keys(frame.iloc[:, place]), dtype=object, count=len(frame))
    return array, list(y)


def _lists(frame, y):
    columns = (keys(frame.iloc[:, place]) for place in range(frame.shape[1]))
    return [list(row) for row in zip(*columns, strict=True)], list(y)


# Forms of tables with and without the names of the columns.
FORMS = {True: [_frame, _three_columns, _shuffled_index], False: [_array_of_objects, _lists]}


def _with_first(frame, value):
    """The frame with another first user."""
    users = frame.iloc[:, 0].astype(object)
    users.iloc[:1] = pd.Series([value], dtype=object)
    return frame.assign(**{frame.columns[0]: users}) if isinstance(frame.columns[0], str) else frame


def _unhashable(frame):
    users = np.empty(len(frame), dtype=object)
    users[:] = [[1]] * len(frame)
    return pd.DataFrame({0: users, 1: frame.iloc[:, 1].to_numpy()})


def _partly_ordered(frame):
    users = np.empty(len(frame), dtype=object)
    users[:] = [frozenset([row % 3]) for row in range(len(frame))]
    return pd.DataFrame({0: users, 1: frame.iloc[:, 1].to_numpy()})


ID_FAULTS: dict[str, Callable] = {
    "missing id": lambda frame: _with_first(frame, None),
    "id is not a number": lambda frame: _with_first(frame, float("nan")),
    "infinite id": lambda frame: _with_first(frame, float("inf")),
    "no time": lambda frame: _with_first(frame, pd.NaT),
    "complex id": lambda frame: _with_first(frame, 1 + 2j),
    "unhashable ids": _unhashable,
    "sets as ids": _partly_ordered,
    "no rows": lambda frame: frame.iloc[:0],
    "no columns": lambda frame: frame.iloc[:, :0],
    "one column": lambda frame: frame.iloc[:, :1],
    "further column": lambda frame: pd.concat([frame, frame.iloc[:, 0].rename("more")], axis=1),
    "column twice": lambda frame: frame.iloc[:, [0, 1, 0]],
    "columns in another order": lambda frame: frame.iloc[:, ::-1],
    "other names": lambda frame: frame.set_axis(["p", "q"], axis=1),
    "names of two types": lambda frame: frame.set_axis(["p", 1], axis=1),
    "reserved name": lambda frame: frame.set_axis(["rank", "item"], axis=1),
    "an array of three dimensions": lambda frame: np.zeros((2, 2, 2)),
    "a number": lambda frame: 3,
    "text": lambda frame: "ratings.csv",
    "nothing": lambda frame: None,
    "a row": lambda frame: [1, 2, 3],
    "rows of several lengths": lambda frame: [[1, 2], [1]],
    "an index of levels": lambda frame: frame.set_axis(
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), axis=1
    ),
    "a masked array": lambda frame: np.ma.masked_array([[1, 2], [3, 4]], [[0, 1], [0, 0]]),
    "a matrix of an unread form": lambda frame: sp.dia_array(np.eye(3)),
    "a dictionary": lambda frame: {"user": [1, 2], "item": [3, 4]},
    "a generator": lambda frame: (row for row in [[1, 2], [3, 4]]),
}
Y_FAULTS: dict[str, Callable] = {
    "too few ratings": lambda y: y[:-1],
    "no ratings": lambda y: None,
    "ratings in two columns": lambda y: np.column_stack([y, y]),
    "ratings in one column": lambda y: np.reshape(y, (-1, 1)),
    "one rating": lambda y: 3.0,
    "ratings are text": lambda y: "abc",
}
WEIGHT_FAULTS: dict[str, Callable] = {
    "negative weights": lambda n: [-1.0] * n,
    "weights of zero": lambda n: np.zeros(n),
    "missing weights": lambda n: [float("nan")] * n,
    "too many weights": lambda n: np.ones(n + 1),
    "weights are text": lambda n: "abc",
    "huge weights": lambda n: np.full(n, 1e99),
    "tiny weights": lambda n: np.full(n, 1e-300),
    "weights of many sizes": lambda n: np.logspace(-50, 50, n),
    "one weight": lambda n: 2.0,
}


FORM_NAMES = {has_names: st.sampled_from(forms) for has_names, forms in FORMS.items()}
FAULTS = st.sampled_from([*ID_FAULTS, *Y_FAULTS, *WEIGHT_FAULTS])


def chance(draw, n):
    """True in about one of n cases: no end of a range, which hypothesis prefers."""
    return draw(st.integers(0, n - 1)) == n // 2


def draw_numbers(draw):
    """A generator of random numbers, which costs less than many draws of hypothesis."""
    return np.random.default_rng(draw(st.integers(0, 9_999)))


def some_ids(rng, kind, n, with_unknown=False):
    """A column of n ids of a kind, with repetitions."""
    pool = KINDS[kind].known + (KINDS[kind].unknown if with_unknown else [])
    return column([pool[place] for place in rng.integers(len(pool), size=n)], KINDS[kind].dtype)


def draw_table(draw, kinds, names, has_names=True, faults=True, with_unknown=False):
    """A table of ratings of the given kinds of users and items, with a fault in some cases."""
    rng, n_rows = draw_numbers(draw), draw(SIZES)
    columns = [some_ids(rng, kind, n_rows, with_unknown) for kind in kinds]
    frame = pd.DataFrame(dict(enumerate(columns))).set_axis(names, axis=1)
    scheme, found = draw(SCHEMES), ()
    if faults and chance(draw, 7):
        scheme = draw(ODD_SCHEMES)
        found = (scheme,)
    values = {**RATINGS, **ODD_RATINGS}[scheme]
    y = [values[place] for place in rng.integers(len(values), size=n_rows)]
    weights = [1.0, *rng.integers(4, size=n_rows - 1).astype(float)] if chance(draw, 5) else None
    table = _formed(draw, frame, y, weights, has_names)
    if faults and chance(draw, 6):
        table = _with_fault(draw, table, frame, y, n_rows)
    return replace(table, faults=(*found, *table.faults))


def _formed(draw, frame, y, weights, has_names):
    """The table in one of the forms; lists as ratings stay beside a frame."""
    form = draw(FORM_NAMES[has_names])
    X, ratings = (frame, y) if isinstance(y[0], list) else form(frame, y)
    plain = [1.0] * len(y) if weights is None else weights
    pairs = list(zip(keys(frame.iloc[:, 0]), keys(frame.iloc[:, 1]), y, plain, strict=True))
    return Table(X, ratings, weights, pairs)


def _with_fault(draw, table, frame, y, n_rows):
    """The table with one fault, of its ids, ratings or weights."""
    name = draw(FAULTS)
    if name in ID_FAULTS:
        return replace(table, X=ID_FAULTS[name](frame), y=y, pairs=[], faults=(name,))
    if name in Y_FAULTS:
        return replace(table, X=frame, y=Y_FAULTS[name](y), pairs=[], faults=(name,))
    return replace(table, weights=WEIGHT_FAULTS[name](n_rows), pairs=[], faults=(name,))


def draw_matrix(draw):
    """Ratings as a sparse matrix."""
    rng, shape = draw_numbers(draw), draw(st.sampled_from([(3, 4), (1, 1), (4, 1), (1, 3)]))
    cells = np.argwhere(rng.random(shape) < 0.6) if shape != (1, 1) else np.zeros((1, 2), dtype=int)
    y = rng.integers(1, 6, size=len(cells)).astype(float)
    matrix = sp.coo_array((y, tuple(cells.T)), shape=shape)
    form = draw(st.sampled_from(["coo", "csr", "csc", "lil", "dok"]))
    pairs = [(int(user), int(item), rating, 1.0) for (user, item), rating in zip(cells, y, strict=True)]
    return Table(matrix.asformat(form), None, None, pairs, () if len(cells) else ("no ratings",))

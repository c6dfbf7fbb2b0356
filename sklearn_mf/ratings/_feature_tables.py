"""Tables of features as users pass them: distinct ids, and columns of numbers, categories or one matrix."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self, TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.ratings._columns import Column, read_id_column, short_repr
from sklearn_mf.ratings._frames import as_pandas

# Numbers beyond this have sums of squares that float64 cannot hold.
_LARGEST = 1e100
# Types of the values of a column, as `pandas.api.types.infer_dtype` calls them.
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
_TIMES = {"datetime64", "datetime", "date", "timedelta64", "timedelta"}
_CATEGORIES = {"string", "boolean", "categorical"}


class FeatureTables(dict[Hashable, object]):
    """The parameter `features`: it is shown by sizes, and a copy has the same tables."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: {_size_of(table)}" for key, table in self.items()) + "}"

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def _size_of(table: object) -> str:
    """Size of a table, as in "9742 x 3 table"."""
    values = table[1] if is_matrix_pair(table) else table
    shape = getattr(values, "shape", ())
    return " x ".join(map(str, shape)) + " table" if shape else short_repr(values)


@dataclass(frozen=True)
class FeatureTable:
    """Features of ids.

    Parameters
    ----------
    ids : ndarray of shape (n,)
        Distinct ids.
    columns : dict of Series of shape (n,), by name
        Columns of a frame; empty for a matrix.
    matrix : csr_array of shape (n, n_columns), float64, or None
        The features where they come as a matrix.
    """

    ids: NDArray[np.generic]
    columns: dict[Hashable, pd.Series]
    matrix: csr_array | None = None

    @property
    def names(self) -> list[Hashable]:
        """Names of the columns; numbers for those of a matrix."""
        return list(self.columns) if self.matrix is None else list(range(self.matrix.shape[1]))


def is_matrix_pair(table: object) -> TypeGuard[tuple[object, object]]:
    """Whether a value is a pair (ids, matrix)."""
    return isinstance(table, tuple) and len(table) == 2 and getattr(table[1], "ndim", 0) == 2


def read_feature_table(table: object, id_names: Sequence[Hashable], label: str) -> FeatureTable:
    """Check a table; its ids are a column with one of `id_names`, else the index. `label` is for errors."""
    if is_matrix_pair(table):
        return _read_matrix(*table, label)
    frame = as_pandas(table)
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"{label} must be a DataFrame with a row for each id, or a pair (ids, matrix), "
            f"got {short_repr(table)}."
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"Column {twice!r} stands in {label} more than once: rename it.")
    name = next((name for name in id_names if name in frame.columns), None)
    if name is None:
        ids, columns = frame.index.to_series(), dict(frame.items())
    else:
        ids, columns = frame[name], dict(frame.drop(columns=[name]).items())
    if not columns:
        raise ValueError(f"{label} has no column beside the ids: add one for each feature.")
    return FeatureTable(_distinct_ids(ids, label), columns)


def _distinct_ids(column: Column, label: str) -> NDArray[np.generic]:
    """Ids of the rows, (n,); repeated ones raise."""
    read = read_id_column(column, f"The column of ids of {label}")[0]
    if len(read.ids) < len(read.numbers):
        repeated = read.ids[np.argmax(np.bincount(read.numbers) > 1)]
        raise ValueError(
            f"{label} has more than one row of id {short_repr(repeated)}: keep one row for each id."
        )
    return read.rows


def _read_matrix(ids: object, values: object, label: str) -> FeatureTable:
    """Check a pair of ids, (n,), and a matrix, (n, n_columns)."""
    matrix = csr_array(values, dtype=np.float64)  # type: ignore[call-overload]
    column = as_pandas(ids)
    column = column if isinstance(column, (np.ndarray, pd.Series)) else pd.Series(column)
    if len(column) != matrix.shape[0]:
        raise ValueError(
            f"{label} has {len(column)} ids but a matrix of {matrix.shape[0]} rows: pass one row for each id."
        )
    if not (np.abs(matrix.data) <= _LARGEST).all():
        raise ValueError(f"The matrix of {label} contains a number that is not finite: replace it.")
    return FeatureTable(_distinct_ids(column, label), {}, matrix)


def holds_numbers(column: pd.Series, label: str) -> bool:
    """Whether a column holds numbers or times; if not, it holds categories, or lists of them.

    A column that mixes types raises.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in _NUMBERS | _TIMES:
        return True
    if kind in _CATEGORIES | {"empty"}:
        return False
    present = [value for value in column if not is_missing(value)]
    lists = [value for value in present if is_list(value)]
    if len(lists) == len(present):
        return False
    other = next(value for value in present if not is_list(value))
    others = lists or [value for value in present if type(value) is not type(other)] or present[-1:]
    raise ValueError(
        f"{label} mixes types, as {short_repr(other)} and {short_repr(others[0])}: make all of its values "
        "numbers, all text or all lists."
    )


def is_list(value: object) -> bool:
    """Whether a cell holds several categories."""
    return isinstance(value, (list, tuple, set, frozenset, np.ndarray))


def is_missing(value: object) -> bool:
    """Whether a cell is empty."""
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))  # type: ignore[call-overload]


def as_numbers(column: pd.Series, label: str) -> NDArray[np.float64]:
    """Numbers of a column, (n,); times in seconds, and NaN where a value is missing."""
    if not holds_numbers(column, label) and column.notna().any():
        found = short_repr(column.dropna().iloc[0])
        raise ValueError(f"{label} held numbers in fit, but holds {found} here: convert it.")
    if pd.api.types.infer_dtype(column, skipna=True) in _TIMES:
        return _seconds(column)
    numbers: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.abs(numbers) > _LARGEST
    if bad.any():
        raise ValueError(
            f"{label} contains {numbers[bad][0]} in row {int(np.argmax(bad))}, which is not finite: "
            "replace it or leave it empty."
        )
    return numbers


def _seconds(column: pd.Series) -> NDArray[np.float64]:
    """Times as seconds, (n,)."""
    if pd.api.types.infer_dtype(column, skipna=True).startswith("timedelta"):
        spans = pd.to_timedelta(column)
    else:
        spans = pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC")
    return np.asarray(spans.dt.total_seconds(), dtype=np.float64)


def as_categories(column: pd.Series, separator: str | None, label: str) -> list[list[str]]:
    """Names of the categories in each cell; none in an empty cell."""
    cells: list[list[str]] = []
    for value in column:
        if is_list(value):
            items: Iterable[object] = value
        elif isinstance(value, str) and separator:
            items = value.split(separator)
        else:
            items = [value]
        cells.append(_names_of(items, label))
    return cells


def _names_of(items: Iterable[object], label: str) -> list[str]:
    """Distinct names of categories, sorted; 3 and 3.0 are the same."""
    names = set()
    for item in items:
        if is_list(item) or isinstance(item, dict):
            raise ValueError(f"{label} contains {short_repr(item)} in a list: keep lists of text or numbers.")
        if not is_missing(item):
            whole = isinstance(item, (float, np.floating)) and float(item).is_integer()
            names.add(str(int(item) if whole else item).strip())  # type: ignore[call-overload]
    return sorted(names - {""})
